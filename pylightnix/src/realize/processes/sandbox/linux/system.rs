//! What every sandbox may read: programs and libraries, and what the system says of itself. The book lists it.

/// Programs and libraries.
const PROGRAMS: [&str; 9] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    // Where NixOS and Guix have theirs.
    "/nix/store",
    "/gnu/store",
];

/// What programs need to begin.
const SETTINGS: [&str; 9] = [
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/timezone",
];

/// What the system says of itself, and of its processes as far as Landlock lets one process look at another.
const STATE: [&str; 4] = [
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
];

/// The devices that hold nothing.
pub(super) const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// What programs need to find others on the network.
const NETWORK: [&str; 10] = [
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/run/systemd/resolve",
];

/// Returns the files and folders that a sandbox may read, whether or not this system has them.
pub(super) fn readable(network: bool) -> impl Iterator<Item = &'static str> {
    let of_network: &[&str] = if network { &NETWORK } else { &[] };
    let all = PROGRAMS.iter().chain(&SETTINGS).chain(&STATE);
    all.chain(of_network).copied()
}
