-- Statements as clients send them: each line on a connection of its own, {t} over both tables.
select count(*) from {t} where now() - at > interval '1 day'
select id from {t} where id = any (select id from {t} where id > 103) order by id
select id from {t} where f64 = 0.3 or f64 = 0.25 order by id
select id from {t} where f64 > 0.5 order by id
select id from {t} where b is distinct from false and id < 3 order by id
select id from {t} where t not in ('a') or t not in ('b') order by id
select count(*) from {t} where not (t in ('a') and t in ('b'))
select count(*) from {t} where not (t in ('a') or t in ('b'))
select id from {t} where t similar to 'name (1|2)' order by id
select count(*) from (select t from {t} except all select t from {t} where id = 1) x
select sum(i64) from {t}
select sum(u64) from {t}
select avg(i64) from {t} where id > 100
select count(*)::float / 7 from {t}
select round(avg(d)::numeric, 2) from {t}
select round(avg(d), 1) from {t} where id >= 100
select id, id::text from {t} where id = 1
select id, id from {t} where id = 1
select n.oid > 0, n.* from pg_catalog.pg_namespace n where false
select n.oid, n.* from pg_catalog.pg_namespace n where false
select null, null::int
select 1, 1, 1
select s.r from generate_series(1, array_upper(current_schemas(false), 1)) as s(r)
select (information_schema._pg_expandarray(array[7,8])).n
select count(*) from {t} where b = 't'
select exists (select 1 from {t})
select id from {t} order by id fetch first 2 rows only
select id from {t} order by id limit 2 offset 1
select id from {t} order by id offset 3 rows fetch next 2 rows only
select id from {t} order by id limit all offset 90
select id from {t} where id in (1, 2, 3) order by 1 desc
select max(id) as m, min(id) from {t}
select t as "T", t "t t" from {t} where id = 3
select {t}.id from {t} where {t}.id = 1
select x.id from {t} as x where x.id between 1 and 3 order by x.id
select * from {t} where id = 100
select count(*) from {t} a join {t} b on a.id = b.id
select count(*) from {t} a left join {t} b on a.id = b.id + 1 where b.id is null
select a.id, b.id as other from {t} a join {t} b using (id) where a.id < 3 order by 1
select a.id, b.id from {t} a full join {t} b on a.id = b.id + 1000 where a.id = 1 or b.id = 1 order by 1, 2
select count(*) from {t} natural join (select id from {t} where id < 5) x
select count(*) from {t}, generate_series(1, 3) g
select id, (select count(*) from {t} b where b.id < a.id) as n from {t} a where id < 5 order by id
select id from {t} a where exists (select 1 from {t} b where b.id = a.id + 1) and id < 5 order by id
select id from {t} a where not exists (select 1 from {t} b where b.id = a.id + 1) order by id
select b, count(*) from {t} group by b having count(*) > 1 order by 1 nulls first
select b, count(*) from {t} group by 1 order by 2, 1
select b, t, count(*) from {t} where id > 110 group by rollup (b, t) order by 1, 2, 3
select b, count(*) from {t} group by grouping sets ((b), ()) order by 1, 2
select b, count(*), grouping(b) from {t} group by cube (b) order by 1, 2
select distinct b from {t} order by b
select distinct on (b) b, id from {t} order by b, id
select case when id < 50 then 'low' else 'high' end as k, count(*) from {t} group by k order by k
select id from {t} where i32 <> 0 and 10 / i32 > 1 and id >= 100 order by id
select id from {t} where (id, i8) in ((100, 0), (101, 1)) order by id
select id from {t} where t ~ '^name' order by id
select id from {t} where t like 'a\_%' escape '\' order by id
select id from {t} where t like '%!%%' escape '!' order by id
select lower(t), upper(t), initcap(t), length(t) from {t} where id < 40 order by id
select string_agg(t, ', ' order by id) from {t} where id between 100 and 110
select array_agg(id order by id desc) from {t} where id < 5
select json_agg(id order by id) from {t} where id < 5
select row_to_json(x) from (select id, t from {t} where id = 3) x
select coalesce(sum(i32), 0) from {t} where false
select count(*) filter (where b), count(*) filter (where not b), count(b) from {t}
select id, rank() over (partition by b order by id) from {t} where id >= 100 order by id
select id, sum(i16) over w, avg(i16) over w from {t} where id >= 100 window w as (order by id) order by id
select id, lag(id, 1, 0::int8) over (order by id), lead(id) over (order by id) from {t} where id < 4 order by id
select percentile_cont(0.5) within group (order by i16) from {t} where id >= 100
select date_trunc('month', at) as m, count(*) from {t} group by 1 order by 1
select to_char(at, 'YYYY-MM') as m, count(*) from {t} group by 1 order by 1
select extract(year from at)::int as y, count(*) from {t} group by y order by y
select at::date as day, count(*) from {t} group by at::date order by 1
select at at time zone 'Europe/Berlin' from {t} where id >= 100 order by id
select day + interval '36 hours' from {t} where id >= 100 order by id
select at::text, f64::text, d::text, b::text, raw::text from {t} order by id
select at - interval '1 month' from {t} where id >= 100 order by id
select max(at) - min(at) from {t} where id >= 100
select avg(at - '2023-11-01'::timestamptz) from {t} where id >= 100
select day, day - lag(day) over (order by id) from {t} where id >= 100 order by id
select * from (select id, row_number() over (order by id desc) as rn from {t}) x where rn <= 3 order by rn
with x as (select id, t from {t} where id < 5) select count(*) from x
with x as materialized (select id from {t}) select count(*) from x
with recursive r(n) as (select 1 union all select n + 1 from r where n < 10) select sum(n) from r
select id from {t} where id < 3 union select 1000 order by 1
(select id from {t} order by id limit 1) union all (select id from {t} order by id desc limit 1) order by 1
select * from (values (1, 'a'), (2, 'b')) as v(n, s) order by n
values (1, 'a'), (2, 'b')
table {t}
select count(*) from {t} tablesample bernoulli (100)
select count(*) from {t} where id = '7'
select count(*) from {t} where day = '2024-02-29'
select count(*) from {t} where at >= '2024-01-01'
select count(*) from {t} where at > now() - interval '100 years'
select count(*) from {t} where day between '2024-01-01' and '2024-12-31'
select count(*) from {t} where extract(dow from day) = 1
select id from {t} where i64 = 9223372036854775807 order by id
select id from {t} where u64 = 18446744073709551615 order by id
select id from {t} where u64 > 9223372036854775807 order by id
select i64 + 1 from {t} where i64 = 9223372036854775807
select u64 + 1 from {t} where u64 = 18446744073709551615
select -i64 from {t} where i64 = -9223372036854775808
select abs(i64) from {t} where i64 = -9223372036854775808
select i8 * 2 as v from {t} where i8 = 127
select u8 - 1 as v from {t} where u8 = 0 order by id
select count(*) from {t} where f64 = 'NaN'
select id, f64 from {t} where f64 = 'NaN' or f64 > 1e300 order by id
select f64, count(*) from {t} group by f64 order by f64
select f32, count(*) from {t} group by f32 order by f32
select count(distinct f64), count(distinct f32) from {t}
select id from {t} where f64 = 0 order by id
select id from {t} where f64 = -0.0 order by id
select id, f64 < 0, sign(f64) from {t} where id < 10 order by id
select 'x' as a, 'y' as a
select 'a' 'b'
select e'a\tb', U&'\0041', $$dollar$$, $tag$it's$tag$
select B'101', X'1F'
select 1e3, 1.0, .5, 5., 1_000
select 0x1F, 0b11, 0o17
select current_date = date 'today', date 'tomorrow' - date 'today', timestamp 'epoch'
select cast('1' as int), '1'::int, int '1', int4 '2'
select cast(1.5 as int), cast('t' as bool), cast(1 as bool), cast(true as int)
select 1::bool, 0::bool, 2::bool, true::int
select 'abc'::varchar(2), 'abc'::char(5), 'abc'::char(2), 123::text, 1.50::text
select 'abc'::int
select ''::int
select '1.5'::int
select '99999999999'::int
select 'x'::date
select '2024-13-01'::date
select '25:00'::time
select 1 / 0
select 1 % 0
select sqrt(-1)
select nosuch(1)
select nosuch from {t}
select * from nosuch
select * from nosuch.table
select id from {t} where id = 'abc'
select id from {t} group by b
select sum(t) from {t}
select t + 1 from {t}
select id from {t} where t
select id from {t} where t = 1
select count(*) from {t} where count(*) > 1
select id, from {t}
selec 1
select
select 1 +
select (1
select 'unterminated
select * from {t} order by 99
select id from {t} limit -1
select (select id from {t})
select 1 = any (select id, t from {t})
select 1 union select 'a'
select 1, 2 union select 1
select a.id from {t} a join {t} b on true where id = 1
insert into {t} values (1)
update {t} set id = 1
delete from {t}
create table x (a int)
begin read only; drop table {t}; rollback
show server_version_num is null
show TimeZone
show timezone
show standard_conforming_strings
show integer_datetimes
show client_encoding
show DateStyle
show IntervalStyle
show search_path
show nosuch
show max_identifier_length
set nosuch = 1
set application_name = 'x'; show application_name
set application_name to default; show application_name
set statement_timeout = 2000; show statement_timeout
set statement_timeout = '1500'; show statement_timeout
set statement_timeout to '2min'; show statement_timeout; reset statement_timeout; show statement_timeout
set extra_float_digits = 3; show extra_float_digits
set extra_float_digits = 99
set statement_timeout = 'soon'
set jit = off; show jit
set jit = maybe
set my.own = 'a'; show my.own; select current_setting('my.own')
show my.other
reset my.other
set my.own = 'a'; reset my.own; show my.own
begin; set local my.own = 'b'; show my.own; commit; show my.own
begin; set my.own = 'b'; rollback; show my.own
begin; set my.own = 'b'; savepoint s; set my.own = 'c'; rollback to s; show my.own; commit; show my.own
begin; set local application_name = 'l'; show application_name; commit; show application_name
begin; set application_name = 's'; set local application_name = 'l'; commit; show application_name
begin; set local application_name = 'l'; set application_name = 's'; commit; show application_name
begin; savepoint a; set application_name = 'in a'; release a; rollback; show application_name
set application_name = 'x'; select 1/0; show application_name
set application_name = 'x'; rollback; show application_name
select set_config('my.own', 'v', false); select current_setting('my.own')
select set_config('my.own', 'v', true); select current_setting('my.own', true)
begin; select set_config('my.own', 'v', true); select current_setting('my.own'); commit; select current_setting('my.own')
begin; select set_config('application_name', 'v', false); rollback; show application_name
select set_config('nosuch', 'v', false)
select set_config('statement_timeout', 'soon', false)
select set_config(null, 'v', false)
select set_config('application_name', null, false)
select current_setting('nosuch')
select current_setting('nosuch', true)
select current_setting('application_name'), current_setting('TimeZone')
set search_path = peers; select current_schema(), current_schemas(false); show search_path
set search_path = nosuch; select current_schema()
set search_path = peers, streams; select current_schemas(true)
set search_path to peers, public; select count(*) from by_id
select current_schema
select name, setting, unit, vartype from pg_settings where name in ('statement_timeout', 'application_name', 'geqo') order by 1
set statement_timeout = '3s'; select setting, unit, source from pg_settings where name = 'statement_timeout'
begin; select 1; commit
begin; select 1/0; select 1; rollback; select 2
begin; select 1/0; commit
begin; begin; commit; commit
commit
rollback
savepoint a
begin; release nosuch; rollback
begin; savepoint a; select 1/0; rollback to a; select 1; commit
start transaction read only; show transaction_read_only; commit
begin isolation level repeatable read; show transaction_isolation; commit
set transaction isolation level serializable
discard all
discard plans
deallocate all
deallocate nosuch
prepare p as select 1; execute p; deallocate p
prepare p(int8) as select id from {t} where id = $1; execute p(2)
prepare p(int8, text) as select $1 + 1, $2; execute p(2, 'x'); execute p(1)
execute nosuch
begin; declare c cursor for select id from {t} order by id; fetch 2 from c; fetch next from c; move 1 from c; fetch 1 from c; close c; commit
begin; declare c scroll cursor for select id from {t} order by id; fetch 2 from c; fetch prior from c; fetch last from c; fetch first from c; fetch absolute 3 from c; commit
begin; declare c cursor with hold for select id from {t} order by id; commit; fetch 2 from c; close c
declare c cursor for select 1
fetch 1 from nosuch
close nosuch
begin; declare c cursor for select 1; fetch backward 1 from c; rollback
copy (select id, t, b, d from {t} order by id limit 5) to stdout
copy (select id, t from {t} where id < 5 order by id) to stdout (format csv, header true)
copy (select 1) to stdout with csv
copy {t} (id, i8) to stdout
listen x; unlisten *
explain select 1 is null
select pg_typeof(id), pg_typeof(u64), pg_typeof(f32), pg_typeof(d), pg_typeof(at) from {t} limit 1
select version() like 'PostgreSQL%'
select pg_catalog.version() like 'PostgreSQL%'
select current_catalog = current_database(), current_user is not null
select pg_encoding_to_char(6), pg_client_encoding()
select pg_get_userbyid(10) is not null
select has_table_privilege('pg_class', 'select')
select oid, typname from pg_type where typname in ('int8', 'text', 'numeric', 'timestamptz', 'bool') order by oid
select t.oid, t.typname, t.typlen, t.typtype, t.typelem, t.typarray from pg_type t where oid = 20
select proc.proname from pg_catalog.pg_type typ left join pg_catalog.pg_proc proc on proc.oid = typ.typreceive where typ.typname = 'bool'
select nspname from pg_namespace where nspname in ('pg_catalog', 'information_schema', 'public', 'streams', 'peers') order by 1
select relname, relkind = any (array['r', 'v']::"char"[]) from pg_class where relname in ('facts', 'by_id') order by 1
select 'int8'::regtype::oid, 'int8'::regtype, 20::regtype, 'pg_class'::regclass::oid
select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a where a.attrelid = 'streams.facts'::regclass and a.attnum > 0 order by a.attnum
select column_name, data_type, is_nullable = 'YES' as nullable from information_schema.columns where table_schema = 'streams' and table_name = 'facts' order by ordinal_position
select table_schema, table_name from information_schema.tables where table_schema in ('streams', 'peers') order by 1, 2
select schema_name from information_schema.schemata where schema_name in ('streams', 'peers', 'public') order by 1
select datname = current_database() from pg_database where datname = current_database()
select count(*) > 0 from pg_settings
select 1 as "a b", 2 as "A", 3 as a
select id::int4, id::int2, id::numeric, id::float8 from {t} where id < 3 order by id
select id from {t} where id >= 1 and id <= 3 and not id = 2 order by id
select count(*) from {t} where t is null or t = ''
select count(*) from {t} where (t is null) = (b is null)
select bool_and(b), bool_or(b), every(b) from {t}
select id, i8::text || '-' || coalesce(t, '?') from {t} where id >= 100 order by id
select id, greatest(i8, i16, i32), least(i8, i16) from {t} where id >= 100 order by id
select id % 10 as k, sum(i32), avg(i32), min(t), max(t) from {t} where id >= 100 group by k order by k
select id / 10 as k, count(*) from {t} group by id / 10 order by k
select -id, +id, @ -5 from {t} where id = 1
select id # 1, id & 1, id | 1, id << 2, id >> 1 from {t} where id = 5
select d * 1.1, d / 3, d % 2, round(d, 1), trunc(d), d::int from {t} where id >= 100 order by id
select f64 * 1.5, f64 / 3, f64::int, round(f64) from {t} where id >= 100 order by id
select sum(f64), avg(f64), sum(f32), avg(f32) from {t} where id >= 100
select stddev(i16), variance(i16), stddev_pop(f64), var_samp(d) from {t} where id >= 100
select corr(i8, i16), covar_pop(i8, i16), regr_slope(i8, i16) from {t} where id >= 100
select md5(t), encode(raw, 'hex'), length(raw) from {t} where id < 20 order by id
select raw || raw, substring(raw from 1 for 1), raw = '\xdeadbeef' from {t} where id < 20 order by id
select t || null, concat(t, null, b), t || i8 from {t} where id >= 100 order by id
select position('a' in t), substring(t from 1 for 2), trim(t), t like '%a%' from {t} where id < 40 order by id
