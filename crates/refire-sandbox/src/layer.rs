use serde::{Deserialize, Serialize};

/// One way in which a program is confined. Each is tried by doing, not asked for by version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layer {
    /// Resource limits, a clean environment, closed descriptors, a session of its own,
    /// `no_new_privs`.
    Limits,
    /// A user namespace: what the namespaces below need without privilege.
    UserNamespace,
    /// A process namespace: killing its first process kills every descendant, however it was
    /// started, and waiting for that one waits for all.
    PidNamespace,
    /// Network, System V IPC, host name and control group namespaces.
    NetNamespace,
    /// A mount namespace with a read-only root that holds system libraries and nothing else.
    MountNamespace,
    /// Landlock, on files, TCP, signals and abstract sockets as far as the kernel knows them.
    Landlock,
    /// A system call filter.
    Seccomp,
    /// A limit on the number of processes that the kernel enforces.
    ProcessLimit,
    /// A host user other than root.
    Unprivileged,
    /// A control group for memory and processes, version 2 or else 1.
    Cgroup,
}

impl Layer {
    /// All layers, in the order they are put on.
    pub const ALL: [Self; 10] = [
        Self::Limits,
        Self::UserNamespace,
        Self::PidNamespace,
        Self::NetNamespace,
        Self::MountNamespace,
        Self::Landlock,
        Self::Seccomp,
        Self::ProcessLimit,
        Self::Unprivileged,
        Self::Cgroup,
    ];

    /// Its name in configurations and reports.
    ///
    /// ```
    /// assert_eq!(refire_sandbox::Layer::PidNamespace.name(), "pid_namespace");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::UserNamespace => "user_namespace",
            Self::PidNamespace => "pid_namespace",
            Self::NetNamespace => "net_namespace",
            Self::MountNamespace => "mount_namespace",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::ProcessLimit => "process_limit",
            Self::Unprivileged => "unprivileged",
            Self::Cgroup => "cgroup",
        }
    }

    /// Whether [`Require::Strict`](crate::Require::Strict) needs it.
    ///
    /// Landlock doubles the mount namespace and a control group doubles limits that are enforced
    /// without it, so a machine without them still confines.
    pub fn is_required(self) -> bool {
        !matches!(self, Self::Landlock | Self::Cgroup)
    }

    /// What a person can do when it is missing.
    pub fn cure(self) -> &'static str {
        match self {
            Self::Limits => "run on Linux 5.12 or newer",
            Self::UserNamespace | Self::PidNamespace | Self::NetNamespace => {
                "allow user namespaces: `sysctl user.max_user_namespaces=10000`; on Ubuntu 24.04 \
                 `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; in Docker \
                 `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`; in a \
                 `chroot` there can be none"
            }
            Self::MountNamespace => {
                "run on Linux 5.12 or newer, and allow mounts in user namespaces: in Docker \
                 `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
            }
            Self::Landlock => "run on Linux 5.13 or newer with `landlock` in the `lsm=` list",
            Self::Seccomp => "run on a kernel built with CONFIG_SECCOMP_FILTER",
            Self::ProcessLimit => {
                "start as a user other than root, or let root map another user into a user \
                 namespace (CAP_SETUID, CAP_SETGID and CAP_SETFCAP)"
            }
            Self::Unprivileged => {
                "start as a user other than root, or with CAP_SETUID, CAP_SETGID and CAP_SETFCAP"
            }
            Self::Cgroup => {
                "start as root, or in a delegated control group with the `memory` and `pids` \
                 controllers: `systemd-run --user --scope -p Delegate=yes`"
            }
        }
    }
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Says of [`Layer::ProcessLimit`] that it stands and falls with [`Layer::Cgroup`].
#[cfg(target_os = "linux")]
pub(crate) const BY_GROUP: &str = "by control group";

/// What trying a layer showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LayerState {
    /// In force.
    Active {
        /// Particulars: a version, a user.
        detail: String,
    },
    /// Not in force.
    Missing {
        /// What failed.
        reason: String,
    },
}

/// The state of every layer, as it was tried. Part of every result.
///
/// ```
/// use refire_sandbox::{Layer, doctor};
/// let layers = doctor();
/// if let Some((layer, reason)) = layers.missing() {
///     println!("{layer}: {reason}; {}", layer.cure());
/// }
/// assert!(layers.active().iter().all(|layer| layers.is_active(*layer)));
/// assert_eq!(layers.iter().count(), Layer::ALL.len());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    states: Vec<(Layer, LayerState)>,
}

impl Layers {
    pub(crate) fn new(states: Vec<(Layer, LayerState)>) -> Self {
        Self { states }
    }

    /// Takes back that a layer is in force, and others that are by its doing.
    #[cfg(target_os = "linux")]
    pub(crate) fn lose(&mut self, lost: Layer, reason: &str) {
        for (layer, state) in &mut self.states {
            let LayerState::Active { detail } = state else { continue };
            let by_group = *layer == Layer::ProcessLimit && detail == BY_GROUP;
            if *layer == lost || (lost == Layer::Cgroup && by_group) {
                *state = LayerState::Missing { reason: reason.to_owned() };
            }
        }
    }

    /// Every layer with its state.
    pub fn iter(&self) -> impl Iterator<Item = (Layer, &LayerState)> {
        self.states.iter().map(|(layer, state)| (*layer, state))
    }

    /// Whether a layer is in force.
    pub fn is_active(&self, layer: Layer) -> bool {
        self.iter().any(|(l, state)| l == layer && matches!(state, LayerState::Active { .. }))
    }

    /// The layers in force.
    pub fn active(&self) -> Vec<Layer> {
        Layer::ALL.into_iter().filter(|layer| self.is_active(*layer)).collect()
    }

    /// The first layer that [`Require::Strict`](crate::Require::Strict) needs and that is missing,
    /// with the reason.
    pub fn missing(&self) -> Option<(Layer, &str)> {
        self.iter().find_map(|(layer, state)| match state {
            LayerState::Missing { reason } if layer.is_required() => Some((layer, reason.as_str())),
            _ => None,
        })
    }
}

impl std::fmt::Display for Layers {
    /// A table: layer, state, particulars, and the cure where something is missing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:<16} {:<8} {:<9} detail", "layer", "state", "required")?;
        for (layer, state) in self.iter() {
            let required = if layer.is_required() { "yes" } else { "no" };
            match state {
                LayerState::Active { detail } => {
                    writeln!(f, "{:<16} {:<8} {required:<9} {detail}", layer.name(), "active")?;
                }
                LayerState::Missing { reason } => {
                    writeln!(f, "{:<16} {:<8} {required:<9} {reason}", layer.name(), "missing")?;
                    writeln!(f, "{:35} cure: {}", "", layer.cure())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_limit_by_group_goes_with_the_group() {
        let active = |detail: &str| LayerState::Active { detail: detail.to_owned() };
        for (detail, missing) in
            [(BY_GROUP, Some((Layer::ProcessLimit, "gone"))), ("RLIMIT_NPROC", None)]
        {
            let states = Layer::ALL.map(|layer| (layer, active(detail)));
            let mut layers = Layers::new(states.to_vec());
            layers.lose(Layer::Cgroup, "gone");
            assert!(!layers.is_active(Layer::Cgroup));
            assert_eq!(layers.missing(), missing);
        }
    }
}
