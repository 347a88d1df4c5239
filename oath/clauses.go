package oath

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed clauses/*.txt
var clauseFiles embed.FS

// Clauses are the clause files of this program, O01 to O15.
func Clauses() ([]Clause, error) {
	names, err := fs.Glob(clauseFiles, "clauses/O*.txt")
	if err != nil {
		return nil, fmt.Errorf("list clause files: %w", err)
	}
	var all []Clause
	for _, name := range names {
		b, err := clauseFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read clause: %w", err)
		}
		c, err := ParseClause(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if name != "clauses/"+c.ID+".txt" {
			return nil, fmt.Errorf("%s holds clause %s", name, c.ID)
		}
		all = append(all, c)
	}
	return all, nil
}

// ClauseFile is the text of one clause file of this program.
func ClauseFile(id string) ([]byte, error) {
	if !clauseID.MatchString(id) {
		return nil, fmt.Errorf("%q is no clause; they are O01 to O15", id)
	}
	b, err := clauseFiles.ReadFile("clauses/" + id + ".txt")
	if err != nil {
		return nil, fmt.Errorf("clause %s: this program has none of that number", id)
	}
	return b, nil
}
