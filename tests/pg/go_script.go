// pgx, in each of its modes, and lib/pq.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/lib/pq"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func same[T comparable](expected, found T) {
	if expected != found {
		panic(fmt.Sprintf("expected %v, found %v", expected, found))
	}
}

func throughPgx(mode pgx.QueryExecMode) {
	ctx, end := context.WithTimeout(context.Background(), time.Minute)
	defer end()
	config, err := pgx.ParseConfig("")
	must(err)
	config.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(ctx, config)
	must(err)
	defer conn.Close(ctx)
	var n int64
	must(conn.QueryRow(ctx, "SELECT n FROM counts WHERE word = $1 LIMIT $2", "often", 1).Scan(&n))
	same(3000, n)
	var at time.Time
	var flag *bool
	row := conn.QueryRow(ctx, "SELECT at, flag FROM types.samples WHERE key = $1 AND at < $2", 7, time.Now())
	must(row.Scan(&at, &flag))
	rows, err := conn.Query(ctx, "SELECT word FROM counts WHERE word = ANY($1)", []string{"w1", "w2"})
	must(err)
	words, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(err)
	same(2, len(words))
	var five int32
	must(conn.QueryRow(ctx, "SELECT coalesce($1::int, 5)", nil).Scan(&five))
	same(5, five)
	_, err = conn.Exec(ctx, "SELECT 1/0")
	same("22012", err.(*pgconn.PgError).Code)
	batch := &pgx.Batch{}
	batch.Queue("SELECT count(*) FROM counts")
	batch.Queue("SELECT n FROM counts WHERE word = $1", "w1")
	results := conn.SendBatch(ctx, batch)
	must(results.QueryRow().Scan(&n))
	same(3001, n)
	must(results.QueryRow().Scan(&n))
	same(1, n)
	must(results.Close())
	fmt.Printf("pgx (%v): right\n", mode)
}

func throughPq() {
	db, err := sql.Open("postgres", "sslmode=disable")
	must(err)
	defer db.Close()
	var n int64
	must(db.QueryRow("SELECT n FROM counts WHERE word = $1 LIMIT $2", "often", 1).Scan(&n))
	same(3000, n)
	tx, err := db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	must(err)
	find, err := tx.Prepare("SELECT n FROM counts WHERE word = $1")
	must(err)
	for _, word := range []string{"w1", "w2"} {
		must(find.QueryRow(word).Scan(&n))
		same(1, n)
	}
	must(tx.Commit())
	var price string
	must(db.QueryRow("SELECT price FROM types.samples WHERE key = $1 AND day < $2", 6, time.Now()).Scan(&price))
	same("-17776.80", price)
	fmt.Println("lib/pq: right")
}

func main() {
	modes := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
	for _, mode := range modes {
		throughPgx(mode)
	}
	throughPq()
	os.Exit(0)
}
