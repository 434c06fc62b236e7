// The store of schema.sql in DATA/store.db. The driver is used as it is: between it and one goroutine
// database/sql would add its locks and a conversion of each value.
package main

import (
	"crypto/sha256"
	"database/sql/driver"
	_ "embed"
	"io"
	"path/filepath"

	"github.com/mattn/go-sqlite3"
)

//go:embed schema.sql
var schema string

type sqlite struct {
	connection *sqlite3.SQLiteConn

	begin, commit, rollback  driver.Stmt
	notify, find, set, count driver.Stmt

	counts map[counter]int64 // what a group adds to the counters
}

type counter struct {
	appID, operationID, state string
}

func open(data string) (keeper, error) {
	name := "file:" + filepath.Join(data, "store.db") + "?_synchronous=FULL&_mutex=no&_busy_timeout=10000"
	connection, err := (&sqlite3.SQLiteDriver{}).Open(name)
	if err != nil {
		return nil, err
	}
	s := &sqlite{connection: connection.(*sqlite3.SQLiteConn), counts: make(map[counter]int64)}
	if _, err := s.connection.Exec(schema, nil); err != nil {
		return nil, err
	}
	for _, each := range []struct {
		statement *driver.Stmt
		text      string
	}{
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.commit, "COMMIT"},
		{&s.rollback, "ROLLBACK"},
		{&s.notify, `INSERT INTO notifications
			(receivedAt, notifyType, appId, deviceId, operationId, subOperationId, body, hash)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
			ON CONFLICT DO UPDATE SET deliveries = deliveries + 1
			RETURNING seq, deliveries`},
		{&s.find, `SELECT state FROM upgrades
			WHERE appId = ?1 AND operationId = ?2 AND subOperationId = ?3 AND deviceId = ?4`},
		{&s.set, `INSERT INTO upgrades (appId, operationId, subOperationId, deviceId, state, seq)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6)
			ON CONFLICT DO UPDATE SET state = excluded.state, seq = excluded.seq`},
		{&s.count, `INSERT INTO counters (appId, operationId, state, upgrades) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT DO UPDATE SET upgrades = upgrades + excluded.upgrades`},
	} {
		if *each.statement, err = s.connection.Prepare(each.text); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *sqlite) keep(group []*notification) error {
	if _, err := s.begin.Exec(nil); err != nil {
		return err
	}
	err := s.keepEach(group)
	if err == nil {
		_, err = s.commit.Exec(nil)
	}
	if err != nil {
		s.rollback.Exec(nil)
	}
	return err
}

func (s *sqlite) keepEach(group []*notification) error {
	for c := range s.counts {
		delete(s.counts, c)
	}
	for _, n := range group {
		seq, deliveries, err := s.keepOne(n)
		if err != nil {
			return err
		}
		if n.repeated = deliveries > 1; n.repeated {
			continue
		}
		if err := s.upgrade(n, seq); err != nil {
			return err
		}
	}
	for c, difference := range s.counts {
		if difference == 0 {
			continue
		}
		if _, err := s.count.Exec([]driver.Value{c.appID, c.operationID, c.state, difference}); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlite) keepOne(n *notification) (seq, deliveries int64, err error) {
	hash := sha256.Sum256(n.body)
	row := [2]driver.Value{}
	_, err = one(s.notify, row[:], n.receivedAt, *n.NotifyType, n.AppID, *n.DeviceID, *n.OperationID,
		n.SubOperationID, string(n.body), hash[:16])
	if err != nil {
		return 0, 0, err
	}
	return row[0].(int64), row[1].(int64), nil
}

// upgrade sets the state of the notification's upgrade, which no result gives up for a state change.
func (s *sqlite) upgrade(n *notification, seq int64) error {
	now := n.state()
	row := [1]driver.Value{}
	found, err := one(s.find, row[:], n.AppID, *n.OperationID, n.SubOperationID, *n.DeviceID)
	if err != nil {
		return err
	}
	if found {
		before := row[0].(string)
		if before != "IN_PROGRESS" && now == "IN_PROGRESS" {
			return nil
		}
		s.counts[counter{n.AppID, *n.OperationID, before}]--
	}
	s.counts[counter{n.AppID, *n.OperationID, now}]++
	_, err = s.set.Exec([]driver.Value{n.AppID, *n.OperationID, n.SubOperationID, *n.DeviceID, now, seq})
	return err
}

// one runs a statement that gives one row at most.
func one(statement driver.Stmt, row []driver.Value, arguments ...driver.Value) (bool, error) {
	rows, err := statement.Query(arguments)
	if err != nil {
		return false, err
	}
	err = rows.Next(row)
	if err == nil {
		// To its end: until then an INSERT with RETURNING has not finished.
		if end := rows.Next(make([]driver.Value, len(row))); end != io.EOF {
			err = end
		}
		rows.Close()
		return err == nil, err
	}
	rows.Close()
	if err == io.EOF {
		return false, nil
	}
	return false, err
}

func (s *sqlite) close() error {
	return s.connection.Close()
}
