# make run      the living city on http://127.0.0.1:8080 (PORT=, DATA_DIR=, SAMPLE=0, DATABASE_URL=)
# make test     every test; installs what it needs
# make bench    a table of ratios, also in bench/latest.json
# make drills   crashes, cut links and conflicts, played through at length
# make build    what has changed
# make clean    removes what was built; the city's data stays

.PHONY: run test bench drills build clean

run:
	@exec node scripts/start.mjs

test:
	@exec node scripts/run-tap.mjs

bench:
	@exec node scripts/bench.mjs

drills:
	@exec node scripts/drills.mjs

build:
	@exec node scripts/build.mjs

clean:
	rm -rf dist viewer/dist .tap
