package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
)

func main() {
	ctx, secret := context.Background(), os.Getenv("SECRET")
	db, err := pgx.Connect(ctx, "")
	check(err)
	defer db.Close(ctx)

	var code, name string
	var metadata map[string]string
	verify := "SELECT code, metadata FROM token_auth.verify_token($1, 'email:read', $2)"
	check(db.QueryRow(ctx, verify, secret, "acme.example").Scan(&code, &metadata))
	fmt.Println(code, metadata["plan"])

	create := "SELECT name FROM token_auth.create_token($1, 'made', $2, all_domains => true, metadata => $3)"
	check(db.QueryRow(ctx, create, 1, []string{"email:read"}, map[string]string{"plan": "free"}).Scan(&name))
	fmt.Println(name)

	check(db.BeginFunc(ctx, func(tx pgx.Tx) error {
		var count int
		check(tx.QueryRow(ctx, "SELECT code FROM token_auth.authenticate($1)", secret).Scan(&code))
		check(tx.QueryRow(ctx, "SELECT count(*) FROM message").Scan(&count))
		fmt.Println(code, count)
		return nil
	}))

	var refused *pgconn.PgError
	if _, err = db.Exec(ctx, "SELECT token_auth.pause_token($1, account_id => $2)", 1, nil); errors.As(err, &refused) {
		fmt.Println(refused.Code, refused.ConstraintName)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
