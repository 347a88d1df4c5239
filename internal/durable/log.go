package durable

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
)

// MaxRecord is the largest record of a Log, in bytes.
const MaxRecord = 64 << 20

const (
	logMagic   = "primlog1"
	recordHead = 8 // length and CRC-32C, little endian
)

// ErrBroken: an earlier write to the log failed in a way that leaves unknown
// what is on disk; open the log anew.
var ErrBroken = errors.New("log is unusable after a failed write; open it again")

// Log is an append-only file of records. A record is its length (4 bytes), the
// CRC-32C of length and content (4 bytes) and the content. One goroutine uses
// a Log at a time.
type Log struct {
	path    string
	f       *os.File
	size    int64 // good bytes
	records int
	dropped int64
	broken  bool
}

// OpenLog opens or makes the log at path and calls each with every record,
// oldest first; the record is only valid during the call. An error of each ends
// OpenLog. A tail that a crash left unfinished is cut off: it was never
// acknowledged by Append with sync.
func OpenLog(path string, each func(record []byte) error) (*Log, error) {
	if err := os.Remove(tempName(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := WriteFile(path, []byte(logMagic)); err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{path: path, f: f}
	if err := l.load(each); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open log %s: %w", path, err)
	}
	return l, nil
}

// load reads all good records and cuts off the rest.
func (l *Log) load(each func([]byte) error) error {
	st, err := l.f.Stat()
	if err != nil {
		return err
	}
	r := bufio.NewReader(l.f)
	magic := make([]byte, len(logMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != logMagic {
		return errors.New("not a log of this program")
	}
	l.size = int64(len(logMagic))
	for {
		rec, err := readRecord(r, st.Size()-l.size)
		if err != nil {
			return err
		}
		if rec == nil {
			break
		}
		if err := each(rec); err != nil {
			return err
		}
		l.size += recordHead + int64(len(rec))
		l.records++
	}
	if l.dropped = st.Size() - l.size; l.dropped == 0 {
		return nil
	}
	if err := l.f.Truncate(l.size); err != nil {
		return err
	}
	return l.f.Sync()
}

// readRecord reads one record; nil means: no good record begins here. left
// bounds what it allocates.
func readRecord(r io.Reader, left int64) ([]byte, error) {
	var head [recordHead]byte
	if left < recordHead {
		return nil, nil
	}
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n > MaxRecord || n > left-recordHead {
		return nil, nil
	}
	rec := make([]byte, n)
	if _, err := io.ReadFull(r, rec); err != nil {
		return nil, err
	}
	if recordSum(head[:4], rec) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, nil
	}
	return rec, nil
}

func recordSum(length, rec []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, table, length), table, rec)
}

func appendRecord(b, rec []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(rec)))
	b = binary.LittleEndian.AppendUint32(b, recordSum(b[len(b)-4:], rec))
	return append(b, rec...)
}

// Append adds records in one write. With sync, nil means that they and all
// before them survive a crash. After an error none of them is in the log, or
// every further call answers ErrBroken.
func (l *Log) Append(sync bool, records ...[]byte) error {
	if l.broken {
		return fmt.Errorf("append to %s: %w", l.path, ErrBroken)
	}
	var b []byte
	for _, rec := range records {
		if len(rec) > MaxRecord {
			return fmt.Errorf("append to %s: a record of %d bytes is too large", l.path, len(rec))
		}
		b = appendRecord(b, rec)
	}
	if _, err := l.f.WriteAt(b, l.size); err != nil {
		// A disk that is full must not leave half a record in the middle.
		if l.f.Truncate(l.size) != nil {
			l.broken = true
		}
		return fmt.Errorf("append to %s: %w", l.path, err)
	}
	if sync {
		if err := l.f.Sync(); err != nil {
			// After a failed fsync nobody knows which pages are on disk.
			l.broken = true
			return fmt.Errorf("append to %s: %w", l.path, err)
		}
	}
	l.size += int64(len(b))
	l.records += len(records)
	return nil
}

// Rewrite replaces the whole log by records: the new file is made durable
// under the log's name, then the old one is gone, and with it every byte that
// is not in records. After an error the old log stands and goes on working,
// or every further call answers ErrBroken.
func (l *Log) Rewrite(records [][]byte) error {
	if l.broken {
		return fmt.Errorf("rewrite %s: %w", l.path, ErrBroken)
	}
	b := []byte(logMagic)
	for _, rec := range records {
		if len(rec) > MaxRecord {
			return fmt.Errorf("rewrite %s: a record of %d bytes is too large", l.path, len(rec))
		}
		b = appendRecord(b, rec)
	}
	writeErr := WriteFile(l.path, b)
	f, err := os.OpenFile(l.path, os.O_RDWR, 0o600)
	if err != nil {
		l.broken = true
		return errors.Join(writeErr, fmt.Errorf("rewrite %s: %w", l.path, err))
	}
	if writeErr != nil {
		// The rename may have happened without its directory being synced:
		// then the open handle is the old file's, and writing on would lose.
		l.broken = !sameFile(l.f, f)
		return errors.Join(writeErr, f.Close())
	}
	_ = l.f.Close() // the old file has no name any more; this frees it
	l.f, l.size, l.records = f, int64(len(b)), len(records)
	return nil
}

func sameFile(a, b *os.File) bool {
	sa, errA := a.Stat()
	sb, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(sa, sb)
}

// Size is the length of the file in bytes.
func (l *Log) Size() int64 { return l.size }

// Len is the number of records.
func (l *Log) Len() int { return l.records }

// Dropped is the number of bytes that OpenLog cut off as unfinished.
func (l *Log) Dropped() int64 { return l.dropped }

// Close closes the file; it does not sync.
func (l *Log) Close() error {
	if err := l.f.Close(); err != nil {
		return fmt.Errorf("close log %s: %w", l.path, err)
	}
	return nil
}
