//! Reaching the host, the judge or the next submission.

use super::none_passes;

#[test]
fn files() {
    none_passes(&[
        (
            "passwd",
            "try: print('LEAK' if 'root:' in open('/etc/passwd').read() else '')\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "home",
            "import os\nfor p in ('/root', '/home', '/work', '/var', '/opt', '/srv', '/mnt', '/boot', '/sys/kernel'):\n    try: print('LEAK' if [x for x in os.listdir(p) if x != '.pyenv'] else '')\n    except OSError: pass\ndef add(a, b): return None",
        ),
        (
            "write",
            "for p in ('/usr/x', '/x', '/etc/x', '/refire/x', '/dev/x', '/lib/x', '/proc/sys/kernel/core_pattern', '/proc/1/oom_score_adj/x'):\n    try: open(p, 'w').write('x'); print('LEAK', p)\n    except OSError: pass\ndef add(a, b): return None",
        ),
        (
            "symlink",
            "import os\nos.symlink('/proc/1/root/etc/shadow', 'l')\ntry: open('l').read(); print('LEAK')\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "host root",
            "import os\nfor p in ('/proc/1/root', '/proc/self/root', '/proc/1/cwd/../../..'):\n    try: print('LEAK' if 'work' in os.listdir(p) or 'home' in os.listdir(p) else '')\n    except OSError: pass\ndef add(a, b): return None",
        ),
        (
            "devices",
            "import os\nfor p in ('/dev/mem', '/dev/kmsg', '/dev/vda', '/dev/kvm', '/dev/fuse', '/dev/tty', '/dev/ptmx', '/dev/nvidia0'):\n    try: os.close(os.open(p, os.O_RDONLY)); print('LEAK', p)\n    except OSError: pass\ndef add(a, b): return None",
        ),
        (
            "mknod",
            "import os, stat\ntry: os.mknod('d', 0o666 | stat.S_IFBLK, os.makedev(254, 0)); print('LEAK')\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "environment",
            "import os\nprint('LEAK' if any(k.startswith(('CARGO', 'REFIRE', 'AWS', 'HF_', 'SSH')) for k in os.environ) else '')\ndef add(a, b): return None",
        ),
        (
            "inherited descriptors",
            "import os\nfor fd in range(4, 1024):\n    try: os.fstat(fd); print('LEAK', fd)\n    except OSError: pass\ndef add(a, b): return None",
        ),
    ]);
}

#[test]
fn processes() {
    none_passes(&[
        (
            "others in proc",
            "import os\ntry: print('LEAK' if [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 3] else '')\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        ("parent", "import os\nprint('LEAK' if os.getppid() else '')\ndef add(a, b): return None"),
        (
            "parent's memory",
            "import os\nfor pid in (0, 1, 2, os.getppid()):\n    if pid != os.getpid():\n        try: open('/proc/%d/mem' % pid, 'rb').read(1); print('LEAK')\n        except OSError: pass\ndef add(a, b): return None",
        ),
        (
            "ptrace",
            "import ctypes\nl = ctypes.CDLL(None)\nprint('LEAK' if l.ptrace(0, 0, 0, 0) == 0 else '')\ndef add(a, b): return None",
        ),
        (
            "process_vm_readv",
            "import ctypes\nprint('LEAK' if ctypes.CDLL(None).syscall(310, 1, 0, 0, 0, 0, 0) == 0 else '')\ndef add(a, b): return None",
        ),
        (
            "host's group names",
            "parts = {part for line in open('/proc/self/cgroup') for part in line.strip().split(':', 2)[2].split('/')}\nprint('LEAK' if [p for p in parts if p not in ('', '..') and not p.startswith('refire-')] else '')\ndef add(a, b): return None",
        ),
        (
            "death signal",
            "import ctypes\nprint('LEAK' if ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0 else '')\ndef add(a, b): return None",
        ),
        (
            "priority",
            "import os\ntry: os.nice(-5); print('LEAK')\nexcept OSError: pass\ntry: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)); print('LEAK')\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "raised limits",
            "import resource\nfor n in dir(resource):\n    if n.startswith('RLIMIT_'):\n        s, h = resource.getrlimit(getattr(resource, n))\n        if h != -1:\n            try: resource.setrlimit(getattr(resource, n), (h + 1, h + 1)); print('LEAK', n)\n            except (OSError, ValueError): pass\ndef add(a, b): return None",
        ),
    ]);
}

#[test]
fn privileges() {
    none_passes(&[
        (
            "root",
            "import os\nfor f in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):\n    try: f(); print('LEAK')\n    except OSError: pass\nprint('LEAK' if os.getuid() == 0 else '')\ndef add(a, b): return None",
        ),
        (
            "capabilities",
            "try:\n    for l in open('/proc/self/status'):\n        if l.startswith('Cap') and int(l.split()[1], 16): print('LEAK', l)\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "namespaces",
            "import ctypes\nl = ctypes.CDLL(None)\nfor f in (0x10000000, 0x20000000, 0x20000, 0x40000000, 0x8000000, 0x4000000):\n    if l.unshare(f) == 0: print('LEAK unshare')\n    if l.syscall(56, f | 17, 0, 0, 0, 0) > 0: print('LEAK clone')\ndef add(a, b): return None",
        ),
        (
            "setns",
            "import ctypes, os\nfor n in ('user', 'pid', 'mnt', 'net'):\n    try:\n        fd = os.open('/proc/self/ns/' + n, os.O_RDONLY)\n        if ctypes.CDLL(None).setns(fd, 0) == 0: print('LEAK')\n    except OSError: pass\ndef add(a, b): return None",
        ),
        (
            "mount",
            "import ctypes\nl = ctypes.CDLL(None)\nif l.mount(b'proc', b'/tmp', b'proc', 0, None) == 0 or l.umount2(b'/tmp', 2) == 0 or l.chroot(b'/tmp') == 0: print('LEAK')\ndef add(a, b): return None",
        ),
        (
            "kernel",
            "import ctypes\nl = ctypes.CDLL(None)\nfor n in (321, 323, 425, 248, 250, 298, 304, 246, 175, 169, 167):\n    if l.syscall(n, 0, 0, 0, 0, 0) >= 0: print('LEAK', n)\ndef add(a, b): return None",
        ),
        (
            "x32",
            "import ctypes\nif ctypes.CDLL(None).syscall(0x40000000 | 39) >= 0: print('LEAK')\ndef add(a, b): return None",
        ),
        (
            "setuid programs",
            "import subprocess\nfor p in (['su', '-c', 'id'], ['sudo', '-n', 'id']):\n    try:\n        if subprocess.run(p, capture_output=True, timeout=2).returncode == 0: print('LEAK', p)\n    except Exception: pass\ndef add(a, b): return None",
        ),
    ]);
}

#[test]
fn network() {
    none_passes(&[
        (
            "tcp",
            "import socket\ntry: socket.create_connection(('127.0.0.1', 22), 1); print('LEAK')\nexcept OSError: pass\ndef add(a, b): return None",
        ),
        (
            "sockets",
            "import socket\nfor f in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET):\n    try: socket.socket(f, socket.SOCK_DGRAM); print('LEAK', f)\n    except OSError: pass\ndef add(a, b): return None",
        ),
        (
            "shared memory",
            "import ctypes\nl = ctypes.CDLL(None)\nif l.shmget(1, 4096, 0o1666) >= 0 or l.msgget(1, 0o1666) >= 0 or l.semget(1, 1, 0o1666) >= 0: print('LEAK')\ndef add(a, b): return None",
        ),
        (
            "host name",
            "import ctypes\nif ctypes.CDLL(None).sethostname(b'x', 1) == 0: print('LEAK')\ndef add(a, b): return None",
        ),
    ]);
}
