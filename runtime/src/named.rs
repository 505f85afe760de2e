//! Enums whose cases have names, for metrics and traces.

/// Declares such an enum. `ALL` has its cases in the order of their numbers, `name` gives the name.
macro_rules! named {
    ($(#[$about:meta])* $visibility:vis enum $enum:ident {
        $($(#[$documentation:meta])* $case:ident = $name:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $enum {
            $($(#[$documentation])* $case,)+
        }

        impl $enum {
            /// All of them, in the order of their numbers.
            $visibility const ALL: [Self; [$($name),+].len()] = [$(Self::$case),+];

            /// The name in metrics and traces.
            $visibility fn name(self) -> &'static str {
                match self {
                    $(Self::$case => $name,)+
                }
            }
        }
    };
}

pub(crate) use named;
