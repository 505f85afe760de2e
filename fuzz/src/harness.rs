//! What every target is: a function that takes any bytes, and panics if a property does not hold.

/// Makes the program of a target. For `cargo xtask fuzz` it is a fuzzer. Else it runs the files that its arguments name, or all
/// files of a folder: to see one crash again, and to run the whole corpus in the tests.
#[macro_export]
macro_rules! target {
    ($check:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|input: &[u8]| $check(input));

        #[cfg(not(fuzzing))]
        fn main() {
            let mut inputs: Vec<std::path::PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
            while let Some(path) = inputs.pop() {
                if path.is_dir() {
                    let entries = std::fs::read_dir(&path).expect("the folder can be read");
                    inputs.extend(entries.map(|entry| entry.expect("the folder can be read").path()));
                } else {
                    println!("{}", path.display());
                    $check(&std::fs::read(&path).expect("the file can be read"));
                }
            }
        }
    };
}
