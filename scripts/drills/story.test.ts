import t from 'tap'
import { testServer } from '../../server/testing/test-store.js'
import { story } from './story.js'

t.test('import, conflict, undo, branch, merge, as of before, replay: the story in short', async t => {
  const [city, copy] = [await testServer(t), await testServer(t)]
  city.jobs.start()
  const { faults, layers } = await story(city, copy, 300, line => t.comment(line))
  t.strictSame(faults, [])
  t.ok(layers > 20, `${layers} layers are compared`)
})
