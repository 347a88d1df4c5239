//go:build !unix

package mlsbench

import "time"

func processorTime() time.Duration { return 0 }
