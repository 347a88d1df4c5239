package main

import "path/filepath"

// trial bundles what tests of the disk and the tabs need into .local/web/trial,
// under names without hashes. None of it is ever in dist.
func (t tree) trial() error {
	if err := t.prepare(); err != nil {
		return err
	}
	for _, name := range []string{"worker", "trial/disk", "trial/page"} {
		files, err := t.alone(name, nil)
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := writeChanged(filepath.Join(t.cache, "trial", f.name), f.body); err != nil {
				return err
			}
		}
	}
	return nil
}
