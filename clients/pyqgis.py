"""QGIS as a user has it, without its window: every layer of the city is loaded, read, filtered and identified.

Run by clients/qgis.ts. Prints one JSON object a check: what, holds, came.
"""

import json
import math
import os
import sys
import urllib.parse
import urllib.request

from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
from qgis.core import (
    Qgis, QgsApplication, QgsCoordinateReferenceSystem, QgsFeatureRequest, QgsMapRendererSequentialJob, QgsMapSettings,
    QgsProviderRegistry, QgsRectangle, QgsVectorLayer, QgsVectorTileLayer,
)

url = sys.argv[1]
ogc = f"{url}/ogc"


def say(what, holds, came=None):
    print(json.dumps({"what": what, "holds": bool(holds), "came": None if came is None else str(came)}), flush=True)


def get(address):
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept": "application/json"})) as answer:
        return json.load(answer)


# Kept: the provider lives as long as its application.
application = QgsApplication([b""], False)
application.initQgis()
say(f"QGIS {Qgis.QGIS_VERSION} has the provider OAPIF", "OAPIF" in QgsProviderRegistry.instance().providerList())

for collection in get(f"{ogc}/collections")["collections"]:
    name = collection["id"]
    if collection.get("itemType") != "feature" or not any(link["rel"] == "items" for link in collection["links"]):
        continue
    layer = QgsVectorLayer(f"url='{ogc}' typename='{name}' pageSize='1000'", name, "OAPIF")
    say(f"{name} loads", layer.isValid())
    if not layer.isValid():
        continue
    matched = get(f"{ogc}/collections/{name}/items?limit=1").get("numberMatched")
    if matched is None or matched > 2000:
        # Large layers are read by a box, as a map does.
        west, south, east, north = collection["extent"]["spatial"]["bbox"][0]
        middle, lat = (west + east) / 2, (south + north) / 2
        box = QgsRectangle(middle - 0.004, lat - 0.004, middle + 0.004, lat + 0.004)
        wanted = get(f"{ogc}/collections/{name}/items?limit=10000&bbox={middle - 0.004},{lat - 0.004},{middle + 0.004},{lat + 0.004}")["features"]
        got = list(layer.getFeatures(QgsFeatureRequest().setFilterRect(box).setFlags(QgsFeatureRequest.ExactIntersect)))
        # QGIS tests the box against curves of the outline once more, so a touch at the edge may count or not.
        say(f"{name}: {len(wanted)} features of a box", abs(len(got) - len(wanted)) <= max(1, len(wanted) // 200), len(got))
    else:
        got = list(layer.getFeatures())
        say(f"{name}: all {matched} features", len(got) == matched, len(got))
    if not got:
        continue
    first = got[0]
    say(f"{name} has attributes and geometry", len(first.fields()) > 2 and first.hasGeometry(), [field.name() for field in first.fields()])
    around = first.geometry().boundingBox().buffered(1e-5)
    found = [feature for feature in layer.getFeatures(QgsFeatureRequest().setFilterRect(around)) if feature.geometry().intersects(first.geometry())]
    say(f"{name}: identify finds the feature", len(found) > 0)

    text = next((field.name() for field in first.fields() if isinstance(first[field.name()], str) and first[field.name()] and field.name() not in ("source", "source_id")), None)
    if text is None:
        continue
    value = first[text]
    expression = "\"{}\" = '{}'".format(text, value.replace("'", "''"))
    ours = get(f"{ogc}/collections/{name}/items?limit=1&filter=" + urllib.parse.quote(f"{text} = '{value.replace(chr(39), chr(39) * 2)}'"))["numberMatched"]
    filtered = QgsVectorLayer(f"url='{ogc}' typename='{name}' pageSize='1000'", name, "OAPIF")
    # QGIS 3.22 knows no CQL2: the filter of a request is its own, over what the server sent.
    if matched is not None and matched <= 2000:
        count = len(list(filtered.getFeatures(QgsFeatureRequest().setFilterExpression(expression))))
        say(f"{name}: {expression} gives {ours}", count == ours, count)

tilejson = get(f"{url}/tiles/buildings/tilejson")
tiles = QgsVectorTileLayer("type=xyz&url=" + urllib.parse.quote(tilejson["tiles"][0], safe="") + f"&zmin={tilejson['minzoom']}&zmax={tilejson['maxzoom']}&styleUrl=" + urllib.parse.quote(f"{ogc}/collections/buildings/styles/default", safe=""), "tiles")
say("vector tiles load", tiles.isValid())
error, understood = tiles.loadDefaultStyle()
say("the served style is understood", understood and not error, error)

# What is on the map at last: coloured pixels about the middle of the city.
settings = QgsMapSettings()
settings.setLayers([tiles])
settings.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
lon, lat = tilejson["center"][:2]
x, y = lon * 111319.49079327358, math.log(math.tan(math.pi / 4 + math.radians(lat) / 2)) * 6378137
settings.setExtent(QgsRectangle(x - 600, y - 600, x + 600, y + 600))
settings.setOutputSize(QSize(512, 512))
settings.setBackgroundColor(QColor("white"))
job = QgsMapRendererSequentialJob(settings)
job.start()
job.waitForFinished()
picture = job.renderedImage()
coloured = sum(picture.pixelColor(i, j).name() != "#ffffff" for i in range(0, 512, 4) for j in range(0, 512, 4))
say("a map of the tiles is drawn", coloured > 100, f"{coloured} of 16384 pixels are coloured")
say("all was tried", True)
sys.stdout.flush()
# Taking QGIS down by the book crashes Python in this release, whatever it has done.
os._exit(0)
