//! What the kernel keeps for connections.
//!
//! Both ends of every connection are on this machine, and their sockets are alike, so the server's end
//! is half of what sockets take. What a poller takes is all the server's, since those that hold idle
//! connections here have none.
//!
//! A socket is a TCP socket, an inode, a file, a directory entry and what the security modules keep.
//! The whole machine uses files and directory entries, so these are counted by the inodes, which only
//! sockets have. Bytes are those of the pages that objects share, not only of the objects.

use std::collections::HashMap;
use std::fs;
use std::io;

const PAGE: u64 = 4096;
/// The caches that hold an object for each TCP socket, and for each socket.
const TCP: &str = "TCP";
const INODES: &str = "sock_inode_cache";
/// The caches that hold an object for each socket too, among others.
const WITH_EACH_INODE: [&str; 4] = ["dentry", "filp", "lsm_file_cache", "lsm_inode_cache"];

/// Where the bytes are read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// `/proc/slabinfo`, which takes the rights of root.
    Caches,
    /// `/proc/meminfo`: all caches of the kernel together, whatever else they hold.
    Total,
}

impl Origin {
    pub fn here() -> Self {
        if fs::read("/proc/slabinfo").is_ok() { Self::Caches } else { Self::Total }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Caches => "slabinfo",
            Self::Total => "meminfo",
        }
    }
}

/// What all sockets of the machine take, in bytes.
///
/// # Errors
/// When the system does not tell.
pub fn socket_bytes() -> io::Result<u64> {
    Ok(match Origin::here() {
        Origin::Caches => in_caches(&fs::read_to_string("/proc/slabinfo")?),
        Origin::Total => in_all(&fs::read_to_string("/proc/meminfo")?),
    })
}

fn in_caches(text: &str) -> u64 {
    let caches: HashMap<_, _> = text.lines().filter_map(Cache::parse).collect();
    let objects = |name| caches.get(name).map_or(0, |cache: &Cache| cache.active);
    let bytes = |name, objects| caches.get(name).map_or(0, |cache| cache.bytes(objects));
    let inodes = objects(INODES);
    let with_each = WITH_EACH_INODE.map(|name| bytes(name, inodes)).iter().sum::<u64>();
    bytes(TCP, objects(TCP)) + bytes(INODES, inodes) + with_each
}

fn in_all(text: &str) -> u64 {
    let slab = text.lines().find_map(|line| line.strip_prefix("Slab:"));
    let kibibytes = slab.and_then(|slab| slab.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// slabinfo(5): a cache of objects of one size.
struct Cache {
    active: u64,
    /// How many objects share how many pages.
    objects: u64,
    pages: u64,
}

impl Cache {
    /// `name active_objs num_objs objsize objperslab pagesperslab : ...`
    fn parse(line: &str) -> Option<(&str, Self)> {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let mut number = |skipped| words.nth(skipped)?.parse().ok();
        let (active, objects, pages) = (number(0)?, number(2)?, number(0)?);
        (objects > 0).then_some((name, Self { active, objects, pages }))
    }

    fn bytes(&self, objects: u64) -> u64 {
        objects * self.pages * PAGE / self.objects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_take_their_part_of_what_all_use() {
        let bytes = in_caches(
            "slabinfo - version: 2.1\n\
             # name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables\n\
             TCP                26     26   2368   13    8 : tunables 0 0 0\n\
             sock_inode_cache   38     38    832   19    4 : tunables 0 0 0\n\
             dentry         900000 900000    192   21    1 : tunables 0 0 0\n\
             inode_cache    100000 100000    600   32    1 : tunables 0 0 0\n",
        );
        assert_eq!(bytes, 2 * 8 * 4096 + 2 * 4 * 4096 + 38 * 4096 / 21);
    }

    #[test]
    fn without_rights_it_is_all_caches() {
        assert_eq!(in_all("MemTotal: 7 kB\nSlab:   3 kB\nSReclaimable: 1 kB\n"), 3 * 1024);
    }
}
