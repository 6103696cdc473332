//! Who the process becomes when it was started as root.

use std::fs;

use anyhow::{Context, Result, bail};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// A user with its groups.
#[derive(Debug, PartialEq, Eq)]
pub struct User {
    /// As it was given.
    name: String,
    uid: u32,
    gid: u32,
    /// All its groups, `gid` among them.
    groups: Vec<u32>,
}

/// Root on behalf of another user.
pub fn is_sudo() -> bool {
    // What is wrong with it is told when it is used.
    geteuid().is_root() && std::env::var_os("SUDO_UID").is_some_and(|uid| uid != "0")
}

/// The user to become; none if there is nothing to change.
pub fn wanted(asked: Option<&str>) -> Result<Option<User>> {
    let root = geteuid().is_root();
    match asked {
        Some(name) => {
            let user = find(name, &read("/etc/passwd"), &read("/etc/group"))
                .with_context(|| format!("--user {name}"))?;
            if !root && user.uid != geteuid().as_raw() {
                bail!(
                    "--user {name}: only root can become another user; start it with sudo, or leave --user out"
                );
            }
            Ok((root && user.uid != 0).then_some(user))
        }
        None if root => {
            let Some((uid, gid)) = caller()? else {
                return Ok(None);
            };
            let name = format!("{uid}:{gid}");
            let user = find(&name, &read("/etc/passwd"), &read("/etc/group"))?;
            Ok((user.uid != 0).then_some(user))
        }
        None => Ok(None),
    }
}

/// Who called sudo, as user and group.
fn caller() -> Result<Option<(u32, u32)>> {
    let number = |variable: &str| {
        let text = std::env::var(variable).ok();
        let number = text.as_deref().map(str::parse::<u32>).transpose();
        number.with_context(|| {
            format!("the environment's {variable} is not a number; tell with --user NAME who is to own the files")
        })
    };
    let (Some(uid), gid) = (number("SUDO_UID")?, number("SUDO_GID")?) else {
        return Ok(None);
    };
    let gid = gid.context(
        "the environment has SUDO_UID without SUDO_GID; tell with --user NAME who is to own the files",
    )?;
    Ok(Some((uid, gid)))
}

fn read(path: &str) -> String {
    // Without it, numbers can still be given.
    fs::read(path).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// A user by name, number, or `UID:GID`, in the system's tables.
fn find(asked: &str, passwd: &str, group: &str) -> Result<User> {
    let (given, given_gid) = match asked.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (asked, None),
    };
    let number = given.parse::<u32>().ok();
    // name:password:uid:gid:…
    let entry = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (
            fields.next()?,
            fields.next()?,
            fields.next()?.parse::<u32>().ok()?,
            fields.next()?.parse::<u32>().ok()?,
        );
        (name == given || number == Some(uid)).then_some((name, uid, gid))
    });
    let (uid, own_gid) = match (entry, number) {
        (Some((_, uid, gid)), _) => (uid, Some(gid)),
        (None, Some(uid)) => (uid, None),
        (None, None) => bail!(
            "no such user in /etc/passwd; one from elsewhere can be given as UID:GID (see `id {given}`)"
        ),
    };
    let gid = match given_gid {
        Some(text) => text
            .parse()
            .ok()
            .with_context(|| format!("the group `{text}` is not a number"))?,
        None => own_gid.with_context(|| {
            format!("no such user in /etc/passwd; give its group too, as {uid}:GID")
        })?,
    };
    let mut groups = vec![gid];
    if let Some((name, ..)) = entry {
        // name:password:gid:member,member
        groups.extend(group.lines().filter_map(|line| {
            let mut fields = line.split(':').skip(2);
            let gid = fields.next()?.parse::<u32>().ok()?;
            fields
                .next()?
                .split(',')
                .any(|member| member == name)
                .then_some(gid)
        }));
        groups.sort_unstable();
        groups.dedup();
    }
    Ok(User {
        name: entry.map_or_else(|| asked.to_owned(), |(name, ..)| name.to_owned()),
        uid,
        gid,
        groups,
    })
}

impl User {
    /// Makes the calling thread this user's, for good.
    pub fn become_it(&self) -> Result<()> {
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&groups)
            .and_then(|()| set_thread_res_gid(gid, gid, gid))
            .and_then(|()| set_thread_res_uid(uid, uid, uid))
            .with_context(|| {
                format!(
                    "cannot become {} (user {}, group {}); --user root stays root",
                    self.name, self.uid, self.gid
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000:Alice,,,:/home/alice:/bin/sh\nbroken\n";
    const GROUP: &str = "root:x:0:\nwireshark:x:117:bob,alice\nalice:x:1000:\nadm:x:4:alicea\n";

    fn alice() -> User {
        User {
            name: "alice".to_owned(),
            uid: 1000,
            gid: 1000,
            groups: vec![117, 1000],
        }
    }

    #[test]
    fn a_user_is_found_by_name_and_number() {
        for asked in ["alice", "1000", "1000:1000"] {
            assert_eq!(find(asked, PASSWD, GROUP).unwrap(), alice(), "{asked}");
        }
        let staff = find("alice:50", PASSWD, GROUP).unwrap();
        assert_eq!((staff.gid, staff.groups), (50, vec![50, 117]));
    }

    #[test]
    fn a_user_that_no_file_knows_needs_both_numbers() {
        let user = find("4711:815", PASSWD, GROUP).unwrap();
        assert_eq!((user.uid, user.gid, user.groups), (4711, 815, vec![815]));
        for wrong in ["4711", "carol", "", "alice:staff", "4711:"] {
            assert!(find(wrong, PASSWD, GROUP).is_err(), "{wrong}");
        }
    }
}
