//! Compiles the rules to a program for the kernel (`BPF_PROG_TYPE_CGROUP_DEVICE`): its input is an access to a device, its result 1
//! allows it.
//!
//! The instruction set is that of RFC 9669.

use super::rules::{Rule, Rules};

/// One instruction, in the memory layout that the kernel expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    code: u8,
    /// The destination in the lower four bits, the source in the upper.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// Registers: the result, the pointer to the input, and the fields of the input.
const RESULT: u8 = 0;
const INPUT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// Offsets in the input (linux/bpf.h, `struct bpf_cgroup_dev_ctx`). The kind is the lower half of the first word, the access its
/// upper half.
const KIND_AND_ACCESS: i16 = 0;
const MAJOR_NUMBER: i16 = 4;
const MINOR_NUMBER: i16 = 8;

/// Operations on 64 bits (RFC 9669, section 4). The second operand of most is the immediate.
const MOVE: u8 = 0xb7;
const COPY: u8 = 0xbf;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const LOAD_WORD: u8 = 0x61;
const JUMP: u8 = 0x05;
const JUMP_IF_NOT_EQUAL: u8 = 0x55;
const JUMP_IF_ANY_BIT: u8 = 0x45;
const EXIT: u8 = 0x95;

/// The program that allows what `rules` allow.
pub fn compile(rules: &Rules) -> Vec<Instruction> {
    let mut program = vec![
        load(ACCESS, KIND_AND_ACCESS),
        register(COPY, KIND, ACCESS),
        immediate(AND, KIND, 0xffff),
        immediate(SHIFT_RIGHT, ACCESS, 16),
        load(MAJOR, MAJOR_NUMBER),
        load(MINOR, MINOR_NUMBER),
    ];
    // The last rule decides, so it comes first.
    for rule in rules.0.iter().rev() {
        program.extend(compile_rule(rule));
    }
    program.extend(end(false));
    program
}

/// Ends the program if the rule decides the rest of the access; otherwise continues after these instructions.
fn compile_rule(rule: &Rule) -> Vec<Instruction> {
    let access = rule.access.cast_signed();
    let mut decision = if rule.allow {
        // What this rule allows is removed from the access; if nothing is left, the access is allowed.
        vec![immediate(AND, ACCESS, !access), jump(JUMP_IF_NOT_EQUAL, ACCESS, 0, 2)]
    } else {
        vec![jump(JUMP_IF_ANY_BIT, ACCESS, access, 1), jump(JUMP, 0, 0, 2)]
    };
    decision.extend(end(rule.allow));
    let conditions = [(KIND, rule.kind), (MAJOR, rule.major), (MINOR, rule.minor)];
    let conditions: Vec<_> = conditions.into_iter().filter_map(|(part, wanted)| Some((part, wanted?))).collect();
    let length = conditions.len() + decision.len();
    let skip = |(index, (part, wanted)): (usize, (u8, u32))| {
        let behind = i16::try_from(length - index - 1).expect("a rule has some ten instructions");
        jump(JUMP_IF_NOT_EQUAL, part, wanted.cast_signed(), behind)
    };
    conditions.into_iter().enumerate().map(skip).chain(decision).collect()
}

fn end(allow: bool) -> [Instruction; 2] {
    [immediate(MOVE, RESULT, allow.into()), Instruction { code: EXIT, registers: 0, offset: 0, immediate: 0 }]
}

fn load(destination: u8, offset: i16) -> Instruction {
    Instruction { code: LOAD_WORD, registers: destination | INPUT << 4, offset, immediate: 0 }
}

fn register(code: u8, destination: u8, source: u8) -> Instruction {
    Instruction { code, registers: destination | source << 4, offset: 0, immediate: 0 }
}

fn immediate(code: u8, destination: u8, immediate: i32) -> Instruction {
    Instruction { code, registers: destination, offset: 0, immediate }
}

/// Skips the next `offset` instructions if the comparison is true.
fn jump(code: u8, destination: u8, immediate: i32, offset: i16) -> Instruction {
    Instruction { code, registers: destination, offset, immediate }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::tests::{rules, with_disk};
    use super::super::rules::{MAKE, READ, WRITE};
    use super::*;

    /// Interprets the program for one access (RFC 9669). `cargo xtask vm test` runs it in a kernel.
    fn allows(rules: &Rules, kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let input = |offset: i16| [access << 16 | kind, major, minor][usize::try_from(offset / 4).unwrap()];
        let (program, mut registers, mut next) = (compile(rules), [0_u64; 6], 0);
        loop {
            let Instruction { code, registers: operands, offset, immediate } = program[next];
            let (destination, source) = (usize::from(operands & 15), usize::from(operands >> 4));
            // An immediate is as wide as a register, with its sign.
            let operand = i64::from(immediate).cast_unsigned();
            let value = registers[destination];
            let mut jumps = false;
            match code {
                LOAD_WORD => registers[destination] = input(offset).into(),
                COPY => registers[destination] = registers[source],
                MOVE => registers[destination] = operand,
                AND => registers[destination] = value & operand,
                SHIFT_RIGHT => registers[destination] = value >> operand,
                JUMP => jumps = true,
                JUMP_IF_NOT_EQUAL => jumps = value != operand,
                JUMP_IF_ANY_BIT => jumps = value & operand != 0,
                EXIT => return registers[usize::from(RESULT)] == 1,
                _ => panic!("no instruction {code:x}"),
            }
            next += 1 + if jumps { usize::try_from(offset).unwrap() } else { 0 };
        }
    }

    #[test]
    fn the_program_allows_what_the_rules_allow() {
        const BLOCK: u32 = 1;
        const CHARACTER: u32 = 2;
        let rules = rules(with_disk()).unwrap();
        for (kind, access, major, minor, allowed) in [
            (CHARACTER, READ | WRITE, 1, 3, true),
            (CHARACTER, READ, 136, 9, true),
            (CHARACTER, READ, 1, 1, false),
            (CHARACTER, MAKE, 1, 1, true),
            (CHARACTER, MAKE | READ, 1, 1, false),
            (BLOCK, MAKE, 254, 0, true),
            (BLOCK, READ, 254, 0, true),
            (BLOCK, READ | WRITE, 254, 0, false),
            (BLOCK, WRITE, 254, 0, false),
            (BLOCK, READ, 254, 1, false),
            (BLOCK, READ, 8, 0, false),
            (BLOCK, READ, 1, 3, false),
        ] {
            assert_eq!(allows(&rules, kind, access, major, minor), allowed, "{kind} {access} {major}:{minor}");
        }
        let privileged = super::super::rules::tests::rules(json!([{"allow": true, "access": "rwm"}])).unwrap();
        assert!(allows(&privileged, BLOCK, READ | WRITE, 8, 0));
    }
}
