// Where the build takes lego from, to leave out its DNS providers: see `../../src/tools/lego.rs`.
module cluster/lego

go 1.26.0

require github.com/go-acme/lego/v4 v4.33.0
