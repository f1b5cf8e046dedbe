"""A warm interpreter: waits on descriptor 0, and becomes one child per request.

It never runs what it is sent. A request carries descriptors; the child takes them from number
`first` on and goes on in `work`, the parent waits for the child's end and reports it.
"""
import ctypes
import resource
import sys
import posix
import _socket

CONTROL = 0
MAX_FDS = 8
LONG = ctypes.c_long


def raw_fork(libc, number, flags):
    """The bare system call. What `fork` does besides is for threads, of which there is only this
    one, and costs more than all the rest."""
    zero = LONG(0)
    return libc.syscall(LONG(number), LONG(flags), zero, zero, zero, zero)


def read_request(control, size=256):
    data, ancillary, _, _ = control.recvmsg(size, _socket.CMSG_LEN(4 * MAX_FDS))
    fds = []
    for level, kind, payload in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            fds += [int.from_bytes(payload[i : i + 4], sys.byteorder) for i in range(0, len(payload) - 3, 4)]
    return data, fds


def send(control, data, fds=()):
    rights = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if fds else []
    control.sendmsg([data], ancillary)


def take(fds, first):
    """Moves descriptors to `first`, `first + 1`, ... and closes all others above them."""
    parked = []
    for fd in fds:
        while fd < first + len(fds):
            fd = posix.dup(fd)
        parked.append(fd)
    for place, fd in enumerate(parked, first):
        posix.dup2(fd, place, True)
    posix.closerange(first + len(fds), 256)


def cpu_limit(pid):
    """Waits for a child's end. If it was killed, one more than the hard limit on processor time that
    it then had, else 0: a child may have lowered its own, and the kernel kills by that."""
    ended = posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOWAIT)
    if ended.si_status != 9 or ended.si_code != posix.CLD_KILLED:
        return 0
    try:
        limit = resource.prlimit(pid, resource.RLIMIT_CPU)[1]
    except OSError:
        return 0
    return 1 + limit if limit >= 0 else (1 << 64) - 1


def run(first, fork, prepare, work):
    """`fork` makes the child, `prepare` confines it, `work` is what it does; none may return."""
    control = _socket.socket(fileno=CONTROL)
    send(control, b"ready")
    while True:
        request, fds = read_request(control)
        if not request:
            posix._exit(0)
        pid = fork()
        if pid == 0:
            try:
                control.detach()
                take(fds, first)
                prepare()
                work()
            finally:
                posix._exit(124)
        if pid < 0:
            send(control, b"F")
        else:
            pidfd = posix.pidfd_open(pid)
            send(control, b"P %d" % pid, [pidfd])
            posix.close(pidfd)
        for fd in fds:
            posix.close(fd)
        if pid > 0:
            limit = cpu_limit(pid)
            _, status, usage = posix.wait4(pid, 0)
            cpu = int((usage.ru_utime + usage.ru_stime) * 1e6)
            send(control, b"E %d %d %d %d" % (status, cpu, usage.ru_maxrss, limit))
