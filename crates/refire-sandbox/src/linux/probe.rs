//! Trying every layer by doing.

use std::io;

use super::cgroup::Cgroup;
use super::confinement::{Confinement, Role};
use super::identity::host_user;
use super::raw::{Exec, Fault, Probe, Step, effective_ids, landlock_abi, reap, spawn};
use crate::layer::{BY_GROUP, Layer, LayerState, Layers};
use crate::python::Python;
use crate::{Limits, SandboxConfig};

/// Forks that a limit of three processes must stop.
const FORKS: u32 = 8;

/// Tries each layer on top of those that work, and says what was found.
pub(crate) fn probe(config: &SandboxConfig, python: Option<&Python>) -> Layers {
    let mut prober = Prober { config, python, active: Vec::new() };
    let mut states = Vec::new();
    for layer in Layer::ALL {
        let state = if config.without.contains(&layer) {
            LayerState::Missing { reason: "left out by the configuration".to_owned() }
        } else {
            match prober.try_layer(layer) {
                Ok(detail) => {
                    prober.active.push(layer);
                    LayerState::Active { detail }
                }
                Err(reason) => LayerState::Missing { reason },
            }
        };
        states.push((layer, state));
    }
    Layers::new(states)
}

struct Prober<'a> {
    config: &'a SandboxConfig,
    python: Option<&'a Python>,
    active: Vec<Layer>,
}

impl Prober<'_> {
    fn try_layer(&self, layer: Layer) -> Result<String, String> {
        if let Some(needed) = self.needed(layer) {
            return Err(format!("needs `{needed}`"));
        }
        match layer {
            Layer::Landlock => {
                let abi = landlock_abi().ok_or("the kernel has no Landlock")?;
                self.run(layer, Exec::Nothing)?;
                Ok(format!("version {abi}"))
            }
            Layer::Seccomp => {
                if super::seccomp::filters().is_none() {
                    return Err(format!("no filter for {}", std::env::consts::ARCH));
                }
                self.run(layer, Exec::Probe(Probe::Socket))?;
                Ok("sockets, namespaces, tracing and more are refused".to_owned())
            }
            Layer::MountNamespace => {
                self.run(layer, Exec::Probe(Probe::Write))?;
                Ok("a read-only root, a scratch folder in memory".to_owned())
            }
            Layer::ProcessLimit => self.process_limit(),
            Layer::Unprivileged => match effective_ids() {
                (0, _) if !self.active.contains(&Layer::UserNamespace) => {
                    Err("the caller is root, and can't become another user".to_owned())
                }
                (0, _) => Ok(format!("host users from {}", host_user(0))),
                (user, _) => Ok(format!("host user {user}")),
            },
            Layer::Cgroup => self.cgroup().map(|version| format!("version {version}")),
            _ => self.run(layer, Exec::Nothing).map(|()| detail(layer).to_owned()),
        }
    }

    /// What a layer can't be without.
    fn needed(&self, layer: Layer) -> Option<Layer> {
        let needed = match layer {
            Layer::PidNamespace | Layer::NetNamespace => Layer::UserNamespace,
            Layer::MountNamespace => Layer::PidNamespace,
            _ => return None,
        };
        (!self.active.contains(&needed)).then_some(needed)
    }

    fn run(&self, layer: Layer, exec: Exec) -> Result<(), String> {
        let mut active = self.active.clone();
        active.push(layer);
        let confinement = Confinement::new(active, self.config.limits.clone(), self.python);
        let mut plan = confinement.plan(0, Role::Candidate, &[]).map_err(|e| e.to_string())?;
        plan.exec = exec;
        finish(spawn(&plan).map(|process| process.pid))
    }

    fn process_limit(&self) -> Result<String, String> {
        let limits = Limits { processes: 3, ..self.config.limits.clone() };
        let confinement = Confinement::new(self.active.clone(), limits.clone(), self.python);
        let mut plan = confinement.plan(0, Role::Candidate, &[]).map_err(|e| e.to_string())?;
        plan.exec = Exec::Probe(Probe::Fork(FORKS));
        if finish(spawn(&plan).map(|process| process.pid)).is_ok() {
            return Ok("RLIMIT_NPROC".to_owned());
        }
        let grouped = self.group(&limits).and_then(|group| {
            group.take_in(&mut plan);
            finish(spawn(&plan).map(|process| process.pid))
        });
        match grouped {
            Ok(()) => Ok(BY_GROUP.to_owned()),
            Err(group) => Err(format!(
                "RLIMIT_NPROC is not enforced for this user, and by control group: {group}"
            )),
        }
    }

    /// Version of the control groups, tried by joining one.
    fn cgroup(&self) -> Result<u32, String> {
        let group = self.group(&self.config.limits)?;
        let confinement =
            Confinement::new(self.active.clone(), self.config.limits.clone(), self.python);
        let mut plan = confinement.plan(0, Role::Candidate, &[]).map_err(|e| e.to_string())?;
        group.take_in(&mut plan);
        finish(spawn(&plan).map(|process| process.pid))?;
        Ok(group.version())
    }

    fn group(&self, limits: &Limits) -> Result<Cgroup, String> {
        if self.config.without.contains(&Layer::Cgroup) {
            return Err("left out by the configuration".to_owned());
        }
        Cgroup::create(0, limits).map_err(|error| error.to_string())
    }
}

/// A process without a program ends at once; what it says is its exit status.
fn finish(spawned: Result<i32, Fault>) -> Result<(), String> {
    match spawned {
        Ok(pid) => {
            reap(pid);
            Ok(())
        }
        Err(fault) => Err(describe(fault)),
    }
}

/// A fault as a person reads it.
pub(super) fn describe(fault: Fault) -> String {
    let doing = match fault.step {
        Step::Probe => return "what it should refuse was allowed".to_owned(),
        Step::Clone => "creating a process in new namespaces",
        Step::Session => "starting a session",
        Step::Map => "mapping users",
        Step::Cgroup => "joining a control group",
        Step::Private => "making mounts private",
        Step::Open => "opening a system folder",
        Step::Mount | Step::Scratch => "mounting a file system in memory",
        Step::Entry => "building the root",
        Step::Bind | Step::Device => "binding a folder or device",
        Step::ReadOnly => "making the root read-only",
        Step::Pivot => "changing the root",
        Step::Switch => "becoming another user",
        Step::Limit => "setting a resource limit",
        Step::Capabilities => "dropping capabilities",
        Step::NoNewPrivs => "setting no_new_privs",
        Step::Landlock => "applying Landlock",
        Step::Seccomp => "installing the system call filter",
        Step::Descriptors => "placing descriptors",
        Step::Exec => "running the interpreter",
    };
    let error = io::Error::from_raw_os_error(fault.errno);
    let place = if fault.item == 0 { String::new() } else { format!(" ({})", fault.item) };
    format!("{doing}{place}: {error}")
}

fn detail(layer: Layer) -> &'static str {
    match layer {
        Layer::Limits => "limits, environment, descriptors, session, no_new_privs",
        Layer::UserNamespace => "one user inside, without privilege",
        Layer::PidNamespace => "killing the first process kills all",
        Layer::NetNamespace => "no network, System V IPC and host name of its own",
        _ => "",
    }
}
