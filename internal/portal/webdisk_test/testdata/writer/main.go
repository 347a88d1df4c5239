// Command writer counts upwards in a log and in a file below /primum, as fast
// as the disk takes it, and prints each number when it is durable. It begins by
// checking what an earlier run left, and prints where that ends. Names and
// contents carry a canary.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"primum/internal/durable"
)

const (
	dir    = "/primum"
	canary = "CANARY-that-must-not-lie-in-clear"
)

func main() {
	limit := 0
	if len(os.Args) > 1 {
		limit, _ = strconv.Atoi(os.Args[1])
	}
	if err := run(limit); err != nil {
		fmt.Println("err", err)
		os.Exit(1)
	}
	fmt.Println("end")
}

func run(limit int) error {
	if err := durable.MakeDir(filepath.Join(dir, canary)); err != nil {
		return err
	}
	lock, err := durable.LockDir(dir)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	next, l, err := open()
	if err != nil {
		return err
	}
	if next, err = compare(next); err != nil {
		return err
	}
	fmt.Println("at", int64(next)-1)
	for i := 0; limit == 0 || i < limit; i++ {
		if err := write(l, next, record(next)); err != nil {
			return err
		}
		fmt.Println("ack", next)
		next++
	}
	return l.Close()
}

func record(n uint64) []byte {
	r := append(binary.BigEndian.AppendUint64(nil, n), canary...)
	return append(r, make([]byte, n%300)...)
}

// open reads the log: numbers follow one another, contents are whole.
func open() (next uint64, l *durable.Log, err error) {
	first := true
	l, err = durable.OpenLog(filepath.Join(dir, canary+".log"), func(r []byte) error {
		n := binary.BigEndian.Uint64(r)
		if !first && n != next {
			return fmt.Errorf("%d follows %d", n, next-1)
		}
		if !bytes.Equal(r, record(n)) {
			return fmt.Errorf("record %d is damaged", n)
		}
		first, next = false, n+1
		return nil
	})
	return next, l, err
}

// compare reads the file, which may be one behind the log.
func compare(next uint64) (uint64, error) {
	b, err := durable.ReadFile(filepath.Join(dir, canary, "file"))
	if errors.Is(err, fs.ErrNotExist) {
		return next, nil
	}
	if err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint64(b)
	if !bytes.Equal(b, record(n)) || n+1 < next-1 || n >= next {
		return 0, fmt.Errorf("the file holds %d, the log ends at %d", n, int64(next)-1)
	}
	return next, nil
}

func write(l *durable.Log, n uint64, r []byte) error {
	var err error
	if n%7 == 6 {
		err = l.Rewrite([][]byte{r})
	} else {
		err = l.Append(true, r)
	}
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, canary, "file"), r)
}
