//! The rules for devices in an OCI specification (runtime specification, `linux.resources.devices`). The last rule for a device
//! decides, separately for each kind of access.

use anyhow::{Context, Result, bail, ensure};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType, Spec};

/// Kinds of access, as bits (linux/bpf.h, `BPF_DEVCG_ACC_*`): to make a node of the device, to read, to write.
pub const MAKE: u32 = 1;
pub const READ: u32 = 2;
pub const WRITE: u32 = 4;
const ANY: u32 = MAKE | READ | WRITE;

/// Block and character devices, as numbers (linux/bpf.h, `BPF_DEVCG_DEV_*`).
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;

/// The devices of every container: kind, major, minor, access. runc's `AllowedDevices` and the defaults of libcgroups for version 1
/// are the same.
const DEFAULTS: [(u32, Option<u32>, Option<u32>, u32); 12] = [
    // A container may make a node of each device, but not open it.
    (CHARACTER, None, None, MAKE),
    (BLOCK, None, None, MAKE),
    // /dev/null, zero, full, random, urandom, tty, console, ptmx, pts/*
    (CHARACTER, Some(1), Some(3), ANY),
    (CHARACTER, Some(1), Some(5), ANY),
    (CHARACTER, Some(1), Some(7), ANY),
    (CHARACTER, Some(1), Some(8), ANY),
    (CHARACTER, Some(1), Some(9), ANY),
    (CHARACTER, Some(5), Some(0), ANY),
    (CHARACTER, Some(5), Some(1), ANY),
    (CHARACTER, Some(5), Some(2), ANY),
    (CHARACTER, Some(136), None, ANY),
    // /dev/net/tun, with which a container configures its own network.
    (CHARACTER, Some(10), Some(200), ANY),
];

/// A rule; a field without a value means every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whether it allows or denies.
    pub allow: bool,
    /// Block or character devices.
    pub kind: Option<u32>,
    /// The driver.
    pub major: Option<u32>,
    /// The device of that driver.
    pub minor: Option<u32>,
    /// The kinds of access.
    pub access: u32,
}

/// The rules of a container, in their order. An access that no rule allows is denied.
#[derive(Debug)]
pub struct Rules(pub Vec<Rule>);

impl Rules {
    /// The rules of `spec`, then the defaults.
    ///
    /// # Errors
    /// A rule is invalid.
    pub fn from_spec(spec: &Spec) -> Result<Self> {
        let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
        let listed = resources.and_then(|resources| resources.devices().as_deref()).unwrap_or_default();
        let mut rules = listed.iter().map(Rule::from_spec).collect::<Result<Vec<_>>>()?;
        rules.extend(DEFAULTS.map(|(kind, major, minor, access)| Rule {
            allow: true,
            kind: Some(kind),
            major,
            minor,
            access,
        }));
        Ok(Self(rules))
    }

    /// # Errors
    /// The kernel's list of a control group of version 1 (`devices.list`) allows more than these rules.
    pub fn check_list(&self, list: &str) -> Result<()> {
        for line in list.lines() {
            let entry = Rule::parse(line).with_context(|| format!("invalid line \"{line}\" of devices.list"))?;
            ensure!(self.allows(&entry), "the container may use the devices `{line}`, which it did not ask for");
        }
        Ok(())
    }

    /// Whether every access of `entry` is allowed.
    fn allows(&self, entry: &Rule) -> bool {
        let mut asked = entry.access;
        for rule in self.0.iter().rev() {
            if rule.allow && rule.covers(entry) {
                asked &= !rule.access;
            } else if !rule.allow && rule.meets(entry) && asked & rule.access != 0 {
                return false;
            }
        }
        asked == 0
    }
}

impl Rule {
    fn from_spec(rule: &LinuxDeviceCgroup) -> Result<Self> {
        let kind = match rule.typ().unwrap_or(LinuxDeviceType::A) {
            LinuxDeviceType::A => None,
            LinuxDeviceType::B => Some(BLOCK),
            LinuxDeviceType::C | LinuxDeviceType::U => Some(CHARACTER),
            LinuxDeviceType::P => {
                bail!("invalid rule for devices \"{rule}\": expected block or character devices, not named pipes")
            }
        };
        let number = |number: Option<i64>| match number {
            // As in runc, every number below 0 is every device.
            None | Some(..0) => Ok(None),
            Some(number) => u32::try_from(number)
                .map(Some)
                .with_context(|| format!("invalid rule for devices \"{rule}\": expected numbers below 2^32")),
        };
        let access = rule.access().as_deref().unwrap_or_default();
        let access = parse_access(access).with_context(|| format!("invalid rule for devices \"{rule}\""))?;
        Ok(Self { allow: rule.allow(), kind, major: number(rule.major())?, minor: number(rule.minor())?, access })
    }

    /// A line of `devices.list`: `KIND MAJOR:MINOR ACCESS`.
    fn parse(line: &str) -> Result<Self> {
        let fields: Vec<_> = line.split([' ', ':']).collect();
        let [kind, major, minor, access] = fields[..] else { bail!("expected `KIND MAJOR:MINOR ACCESS`") };
        let number = |text: &str| (text != "*").then(|| text.parse()).transpose();
        let kind = match kind {
            "a" => None,
            "b" => Some(BLOCK),
            "c" => Some(CHARACTER),
            _ => bail!("expected the kind `a`, `b` or `c`"),
        };
        Ok(Self { allow: true, kind, major: number(major)?, minor: number(minor)?, access: parse_access(access)? })
    }

    /// Whether this rule is for every device of `other`.
    fn covers(&self, other: &Self) -> bool {
        let covers = |mine: Option<u32>, others| mine.is_none() || mine == others;
        covers(self.kind, other.kind) && covers(self.major, other.major) && covers(self.minor, other.minor)
    }

    /// Whether this rule is for any device of `other`.
    fn meets(&self, other: &Self) -> bool {
        let meet = |mine: Option<u32>, others: Option<u32>| mine.is_none() || others.is_none() || mine == others;
        meet(self.kind, other.kind) && meet(self.major, other.major) && meet(self.minor, other.minor)
    }
}

fn parse_access(letters: &str) -> Result<u32> {
    ensure!(!letters.is_empty(), "no access: expected some of the letters rwm, such as rw");
    letters.chars().try_fold(0, |access, letter| match letter {
        'r' => Ok(access | READ),
        'w' => Ok(access | WRITE),
        'm' => Ok(access | MAKE),
        _ => bail!("invalid access \"{letters}\": expected some of the letters rwm, such as rw"),
    })
}

#[cfg(test)]
pub mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The rules of a container with these in its specification.
    pub fn rules(listed: Value) -> Result<Rules> {
        let spec = json!({"ociVersion": "1.1.0", "linux": {"resources": {"devices": listed}}});
        Rules::from_spec(&serde_json::from_value(spec).unwrap())
    }

    /// What containerd lists for a pod that may use the first virtual disk for reading.
    pub fn with_disk() -> Value {
        json!([
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "b", "major": 254, "minor": 0, "access": "r"},
        ])
    }

    #[test]
    fn the_last_rule_for_a_device_decides() {
        let allows = |listed: Value, line: &str| rules(listed).unwrap().allows(&Rule::parse(line).unwrap());
        for (line, allowed) in [
            ("c 1:3 rwm", true),
            ("c 136:7 rw", true),
            ("b 254:0 r", true),
            ("b 254:0 rm", true),
            ("b 254:0 w", false),
            ("b 254:1 r", false),
            ("b 254:* r", false),
            ("c 254:0 r", false),
            ("c 1:1 r", false),
            ("c *:* m", true),
            ("a *:* m", false),
            ("a *:* rwm", false),
        ] {
            assert_eq!(allows(with_disk(), line), allowed, "{line}");
        }
        let all = json!([{"allow": true, "access": "rwm"}]);
        assert!(allows(all, "a *:* rwm"));
        let all_but_one = json!([{"allow": true, "access": "rwm"}, {"allow": false, "type": "c", "major": 1, "minor": 1, "access": "w"}]);
        for (line, allowed) in [("c 1:1 w", false), ("c 1:1 r", true), ("c 1:2 w", true), ("a *:* rwm", false)] {
            assert_eq!(allows(all_but_one.clone(), line), allowed, "{line}");
        }
        assert!(!allows(json!([]), "b 8:0 r"), "without any rule nothing but the defaults");
    }

    #[test]
    fn a_list_of_the_kernel_that_allows_more_is_refused() {
        let rules = rules(with_disk()).unwrap();
        rules.check_list("c *:* m\nb *:* m\nb 254:0 r\nc 1:3 rwm\nc 136:* rwm\n").unwrap();
        let error = rules.check_list("c 1:3 rwm\na *:* rwm\n").unwrap_err().to_string();
        assert_eq!(error, "the container may use the devices `a *:* rwm`, which it did not ask for");
        rules.check_list("nonsense").unwrap_err();
    }

    #[test]
    fn an_invalid_rule_is_named() {
        for (rule, expected) in [
            (json!({"allow": true, "type": "p", "access": "r"}), "named pipes"),
            (
                json!({"allow": true, "type": "c", "access": "x"}),
                "invalid access \"x\": expected some of the letters rwm",
            ),
            (json!({"allow": true, "type": "c"}), "no access: expected some of the letters rwm"),
            (json!({"allow": true, "type": "c", "major": 1_i64 << 40, "access": "r"}), "expected numbers below 2^32"),
        ] {
            let error = format!("{:#}", rules(json!([rule])).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
