/** Script of a page that shows tilesets by 3d-tiles-renderer alone, with nothing of our viewer; for tests. */
import { AmbientLight, DirectionalLight, InstancedMesh, Mesh, PerspectiveCamera, Raycaster, Scene, Vector2, Vector3, WebGLRenderer, Color, type Intersection } from 'three'
import { TilesRenderer } from '3d-tiles-renderer/three'
import { ImplicitTilingPlugin } from '3d-tiles-renderer/core/plugins'
import { GLTFExtensionsPlugin } from '3d-tiles-renderer/three/plugins'
import { MeshoptDecoder } from 'meshoptimizer/decoder'

interface Wanted {
  readonly url: string
  /** What follows the layer in the address of a tileset. */
  readonly tileset: string
  readonly layers: readonly string[]
  /** Geocentric metres, as all places here. */
  readonly places: readonly (readonly [number, number, number])[]
  readonly eye: { readonly from: readonly [number, number, number]; readonly to: readonly [number, number, number] }
}

async function showInThree({ url, tileset, layers, places, eye }: Wanted) {
  const failures: string[] = []
  const renderer = new WebGLRenderer({ antialias: true, preserveDrawingBuffer: true })
  renderer.setSize(innerWidth, innerHeight)
  document.getElementById('view')!.append(renderer.domElement)
  const scene = new Scene()
  scene.background = new Color('#202830')
  // Tiles are moved near to nought: the whole scene lies around the point that the camera looks at.
  const middle = new Vector3(...eye.to)
  const near = (place: readonly [number, number, number]) => new Vector3(...place).sub(middle)
  const camera = new PerspectiveCamera(60, innerWidth / innerHeight, 1, 5000)
  camera.position.copy(near(eye.from))
  camera.up.copy(middle).normalize()
  camera.lookAt(0, 0, 0)
  camera.updateMatrixWorld(true)
  const light = new DirectionalLight('#ffffff', 2.5)
  light.position.copy(camera.position)
  scene.add(light, new AmbientLight('#ffffff', 0.6))
  const tilesets = layers.map(layer => {
    const tiles = new TilesRenderer(`${url}/3dtiles/${layer}/${tileset}`)
    tiles.registerPlugin(new GLTFExtensionsPlugin({ metadata: true, meshoptDecoder: MeshoptDecoder }))
    tiles.registerPlugin(new ImplicitTilingPlugin())
    tiles.errorTarget = 1
    tiles.group.position.copy(middle).negate()
    tiles.group.updateMatrixWorld(true)
    tiles.setCamera(camera)
    tiles.setResolutionFromRenderer(camera, renderer)
    tiles.addEventListener('load-error', ({ error }: any) => failures.push(`${layer}: ${error?.message}`))
    scene.add(tiles.group)
    return tiles
  })
  const isBusy = () => tilesets.some(tiles => {
    const { queued, downloading, parsing } = (tiles as any).stats
    return !tiles.root || queued + downloading + parsing > 0
  })
  // Between a tileset, its subtrees and its tiles nothing is under way for a moment: what is loaded must stay so.
  for (let i = 0, calm = 0; i < 600 && calm < 10 && !failures.length; i++) {
    for (const tiles of tilesets) tiles.update()
    calm = isBusy() ? 0 : calm + 1
    await new Promise(done => setTimeout(done, 50))
  }
  renderer.render(scene, camera)
  const raycaster = new Raycaster()
  const seen = places.map(place => {
    const { x, y } = near(place).project(camera)
    raycaster.setFromCamera(new Vector2(x, y), camera)
    const [hit] = raycaster.intersectObjects(tilesets.map(tiles => tiles.group), true)
    return { x: ((x + 1) / 2) * innerWidth, y: ((1 - y) / 2) * innerHeight, ...(hit ? rowOf(hit) : { id: null, name: null }) }
  })
  return { failures, seen }
}

/** Vertices say whose they are, instances for themselves. */
function rowOf({ object, face, instanceId }: Intersection): { id: number | null; name: string | null } {
  const { geometry, userData } = object as Mesh
  const features = geometry.getAttribute('_feature_id_0') ?? geometry.getAttribute('_FEATURE_ID_0')
  const feature = features?.getX(object instanceof InstancedMesh ? instanceId! : face!.a)
  const metadata = (userData as any).structuralMetadata ?? (object.parent?.userData as any)?.structuralMetadata
  const [row] = metadata?.getPropertyTableData([0], [feature]) ?? []
  return { id: row?.id ?? null, name: row?.name ?? null }
}

Object.assign(window, { showInThree })
