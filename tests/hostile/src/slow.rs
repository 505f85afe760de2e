//! A small component that takes a compiler a long time and much memory.

/// Variables of a function. Each becomes a value of its own in each block of the code.
const LOCALS: u32 = 400;

/// Blocks inside each other, and how many a table of branches names: each branch hands over all variables.
const DEPTH: u32 = 400;

/// Tables of branches in a function: a compiler takes 4 s and 280 MB for it, where this was measured. With 1000 variables and blocks,
/// 27 KB of code, it takes 15 s and 800 MB.
const TABLES: u32 = 3;

/// How many functions there are.
const FUNCTIONS: u32 = 16;

/// Sections of a module and instructions, as the core specification numbers them (5.4, 5.5).
const TYPES: u8 = 1;
const FUNCTION_TYPES: u8 = 3;
const CODE: u8 = 10;
const I32: u8 = 0x7f;
const BLOCK: u8 = 0x02;
const NO_RESULT: u8 = 0x40;
const END: u8 = 0x0b;
const BR_TABLE: u8 = 0x0e;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const I32_CONST: u8 = 0x41;
const I32_ADD: u8 = 0x6a;

/// The component, which has a core module and exports nothing.
pub fn component() -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, TYPES, &[1, 0x60, 0, 0]);
    let mut types = number(FUNCTIONS);
    types.extend((0..FUNCTIONS).map(|_| 0));
    section(&mut module, FUNCTION_TYPES, &types);
    let mut code = number(FUNCTIONS);
    let body = body();
    for _ in 0..FUNCTIONS {
        code.extend(number(length(&body)));
        code.extend(&body);
    }
    section(&mut module, CODE, &code);
    // A component with a core module in it.
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    section(&mut component, 1, &module);
    component
}

fn body() -> Vec<u8> {
    let mut body = vec![1];
    body.extend(number(LOCALS));
    body.push(I32);
    for _ in 0..TABLES {
        body.extend((0..DEPTH).flat_map(|_| [BLOCK, NO_RESULT]));
        body.push(LOCAL_GET);
        body.extend(number(0));
        body.push(BR_TABLE);
        body.extend(number(DEPTH - 1));
        body.extend((0..DEPTH).flat_map(number));
        for depth in 0..DEPTH {
            body.push(END);
            // Each block leaves another variable changed, and uses it.
            let local = number(depth % LOCALS);
            body.push(LOCAL_GET);
            body.extend(&local);
            body.extend([I32_CONST, 1, I32_ADD, LOCAL_SET]);
            body.extend(&local);
        }
    }
    body.push(END);
    body
}

fn section(module: &mut Vec<u8>, id: u8, content: &[u8]) {
    module.push(id);
    module.extend(number(length(content)));
    module.extend(content);
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a small component")
}

/// LEB128 (5.2.2).
fn number(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
