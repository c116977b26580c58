// tests/clients/with_ioredis.js — a smoke test through ioredis: node with_ioredis.js PORT. Exit code 0: all as expected.
const assert = require('node:assert');
const Redis = require('ioredis');

async function main() {
  const redis = new Redis({ port: Number(process.argv[2] || 6380), host: '127.0.0.1', lazyConnect: true });
  await redis.connect();  // its readiness check reads INFO
  assert.strictEqual(await redis.set('ioredis:key', 'välue'), 'OK');
  assert.strictEqual(await redis.get('ioredis:key'), 'välue');
  assert.strictEqual(await redis.get('ioredis:nokey'), null);
  const bytes = Buffer.from([0, 255, 13, 10]);
  await redis.set('ioredis:bytes', bytes, 'EX', 1000);
  assert.deepStrictEqual(await redis.getBuffer('ioredis:bytes'), bytes);
  assert.ok((await redis.ttl('ioredis:bytes')) > 990);
  assert.deepStrictEqual(await redis.mget('ioredis:key', 'ioredis:nokey'), ['välue', null]);
  await assert.rejects(redis.incr('ioredis:key'), /not an integer/);

  await redis.del('ioredis:n');
  const pipeline = redis.pipeline();
  for (let i = 0; i < 1000; ++i) pipeline.incr('ioredis:n');
  const replies = await pipeline.exec();
  assert.deepStrictEqual(replies.map(([error, n]) => (error ? error : n)), Array.from({ length: 1000 }, (_, i) => i + 1));

  const other = redis.duplicate({ db: 3 });
  await other.set('ioredis:key', 'db 3');
  assert.strictEqual(await redis.get('ioredis:key'), 'välue');
  let found = 0;
  for await (const keys of redis.scanStream({ match: 'ioredis:*' })) found += new Set(keys).size;
  assert.strictEqual(found, 3);
  await other.quit();
  await redis.quit();
}

main().catch((error) => {
  console.error('with ioredis:', error);
  process.exit(1);
});
