// postgres.js, knex, Sequelize and TypeORM: those that are installed.
const { PGHOST, PGPORT, PGUSER, PGDATABASE } = process.env
const assert = require('node:assert')
const place = { host: PGHOST, port: Number(PGPORT), user: PGUSER, database: PGDATABASE }

const clients = {
  async postgres() {
    const sql = require('postgres')({ ...place, username: PGUSER })
    const most = 2
    assert.equal((await sql`select word from counts limit ${most}`).length, 2)
    assert.equal((await sql`select n from counts where word = ${'often'}`)[0].n, '3000')
    assert.equal((await sql`select word from counts where word in ${sql(['w1', 'w2'])}`).length, 2)
    assert.equal((await sql`select word from counts where word = any(${['w1', 'w2']})`).length, 2)
    assert.equal((await sql`select coalesce(${null}::int, 5) as c`)[0].c, 5)
    assert.equal((await sql`select key from types.samples where day > ${new Date(0)} limit 1`).length, 1)
    let rows = 0
    await sql`select word from counts`.cursor(500, (some) => { rows += some.length })
    assert.equal(rows, 3001)
    await sql.end()
  },
  async knex() {
    const knex = require('knex')({ client: 'pg', connection: place })
    assert.equal((await knex('counts').where('word', 'often').limit(1).offset(0))[0].n, '3000')
    assert.equal((await knex('counts').whereIn('word', ['w1', 'w2'])).length, 2)
    assert.equal((await knex('types.samples').whereBetween('key', [3, 5])).length, 3)
    assert.ok(await knex.schema.withSchema('word_count').hasTable('counts'))
    assert.equal((await knex('counts').withSchema('word_count').columnInfo()).n.type, 'bigint')
    await knex.destroy()
  },
  async sequelize() {
    const { Sequelize, QueryTypes, DataTypes, Op } = require('sequelize')
    const sequelize = new Sequelize(PGDATABASE, PGUSER, '', { host: PGHOST, port: PGPORT, dialect: 'postgres', logging: false })
    await sequelize.authenticate()
    const Counts = sequelize.define('counts', { word: { type: DataTypes.TEXT, primaryKey: true }, n: DataTypes.BIGINT },
      { tableName: 'counts', schema: 'word_count', timestamps: false })
    assert.equal((await Counts.findOne({ where: { word: 'often' } })).n, '3000')
    assert.equal(await Counts.count({ where: { n: { [Op.gt]: 1 } } }), 1)
    const rows = await sequelize.query('select n from counts where word = $w limit $m', { bind: { w: 'often', m: 1 }, type: QueryTypes.SELECT })
    assert.equal(rows[0].n, '3000')
    assert.ok(await sequelize.getQueryInterface().describeTable({ tableName: 'counts', schema: 'word_count' }))
    assert.ok((await sequelize.getQueryInterface().showAllTables()).length >= 0)
    await sequelize.close()
  },
  async typeorm() {
    require('reflect-metadata')
    const { DataSource, EntitySchema } = require('typeorm')
    const Count = new EntitySchema({ name: 'Count', tableName: 'counts', schema: 'word_count', type: 'view',
      columns: { word: { type: 'text', primary: true }, n: { type: 'bigint' } } })
    const source = new DataSource({ type: 'postgres', host: PGHOST, port: Number(PGPORT), username: PGUSER, database: PGDATABASE, entities: [Count], installExtensions: false })
    await source.initialize()
    const counts = source.getRepository(Count)
    assert.equal((await counts.findOneBy({ word: 'often' })).n, '3000')
    assert.equal((await counts.find({ take: 2, skip: 1, order: { word: 'ASC' } })).length, 2)
    const runner = source.createQueryRunner()
    assert.ok(await runner.hasTable('word_count.counts'))
    await runner.release()
    await source.destroy()
  },
}

async function main() {
  let failed = 0
  for (const [name, client] of Object.entries(clients)) {
    if (process.argv[2] && process.argv[2] !== name) continue
    try { require.resolve(name) } catch { console.log(`skipped: no ${name}`); continue }
    try { await client(); console.log(`${name}: right`) } catch (error) { failed += 1; console.log(`${name}: ${error.stack.slice(0, 600)}`) }
  }
  process.exit(failed)
}
main()
