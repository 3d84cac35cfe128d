# make run      the living city on http://127.0.0.1:8080 (PORT=, DATA_DIR=, SAMPLE=0, DATABASE_URL=)
# make test     every test; installs what it needs
# make bench    a table of ratios, also in bench/latest.json
# make bench-city   the city of a million buildings, kept up for other servers (bench/README.md)
# make clients  GDAL, QGIS, MapLibre, ArcGIS' client, the OGC's suites and long fuzzing against a city (clients/)
# make validate the flood kernels against published cases, as a table (simulation/validation)
# make drills   crashes, cut links and conflicts, played through at length
# make build    what has changed
# make clean    removes what was built; the city's data stays

.PHONY: run test bench bench-city clients validate drills build clean

run:
	@exec node scripts/start.mjs

test:
	@exec node scripts/run-tap.mjs

bench:
	@exec node scripts/bench.mjs

bench-city:
	@exec node scripts/bench.mjs city

clients:
	@exec node scripts/clients.mjs

validate:
	@exec node scripts/validate.mjs

drills:
	@exec node scripts/drills.mjs

build:
	@exec node scripts/build.mjs

clean:
	rm -rf dist viewer/dist .tap
