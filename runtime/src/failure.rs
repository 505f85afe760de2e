//! How a guest may fail, and the words for it: in the log a sentence, in metrics and traces one of a few names.

use wasmtime::Trap;

use crate::named::named;

/// A guest that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The kind, which is one of a few.
    pub(crate) kind: FailureKind,
    /// What happened, as the log says it.
    pub(crate) reason: String,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

named! {
    /// How a guest failed.
    pub(crate) enum FailureKind {
        /// It executed `unreachable`, as a panic does.
        Unreachable = "unreachable",
        /// It called too deeply.
        StackOverflow = "stack_overflow",
        /// It read or wrote outside of its memory.
        MemoryOutOfBounds = "memory_out_of_bounds",
        /// It called a function through an invalid pointer, or through one of another type.
        IndirectCall = "indirect_call",
        /// It divided by zero, or converted a number that does not fit.
        Arithmetic = "arithmetic",
        /// It trapped in another way.
        OtherTrap = "other_trap",
        /// It asked for more memory than there is for it, and then ended.
        MemoryLimit = "memory_limit",
        /// It called `wasi:cli/exit`.
        Exit = "exit",
        /// It returned, or dropped its way to respond, without a response.
        NoResponse = "no_response",
        /// It gave an error of wasi:http in place of a response.
        ErrorResponse = "error_response",
        /// It gave no byte of its body for too long.
        Stalled = "stalled",
        /// It did not end after its response.
        Overrun = "overrun",
        /// The host refused what it did, or could not make an instance.
        Error = "error",
    }
}

impl From<Trap> for FailureKind {
    fn from(trap: Trap) -> Self {
        match trap {
            Trap::UnreachableCodeReached => Self::Unreachable,
            Trap::StackOverflow => Self::StackOverflow,
            Trap::MemoryOutOfBounds | Trap::HeapMisaligned => Self::MemoryOutOfBounds,
            Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => Self::IndirectCall,
            Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger => Self::Arithmetic,
            _ => Self::OtherTrap,
        }
    }
}
