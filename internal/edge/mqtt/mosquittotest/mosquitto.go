// Package mosquittotest starts a real mosquitto for a test, on a port that the
// kernel chose.
package mosquittotest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Broker is a running mosquitto.
type Broker struct {
	Port   int
	config string
	binary string
	dir    string
	cmd    *exec.Cmd
}

// Options are lines of mosquitto.conf beside the listener's. Without
// "allow_anonymous false" everybody may connect.
type Options struct {
	Lines []string
	// Listener are lines that belong to the listener (certificates).
	Listener []string
}

// Start starts a broker and stops it when the test ends. Without mosquitto the
// test is skipped, or fails under PRIMUM_NEED_ALL=1.
func Start(t testing.TB, o Options) *Broker {
	t.Helper()
	b := &Broker{binary: find(t), dir: t.TempDir()}
	// mosquitto can't tell which port it got, so the kernel is asked first; in
	// the rare case that somebody else takes it meanwhile, ask again.
	for try := 0; ; try++ {
		b.Port = freePort(t)
		b.write(t, o)
		err := b.launch()
		if err == nil {
			break
		}
		if try == 5 {
			t.Fatalf("start mosquitto: %v", err)
		}
	}
	t.Cleanup(b.Stop)
	return b
}

// URL is where the broker listens without TLS.
func (b *Broker) URL() string { return fmt.Sprintf("mqtt://127.0.0.1:%d", b.Port) }

// Stop ends the broker, as a broker that is down; its retained messages are
// lost.
func (b *Broker) Stop() {
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
	b.cmd = nil
}

// Restart starts the broker again on the same port.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	b.Stop()
	if err := b.launch(); err != nil {
		t.Fatalf("restart mosquitto: %v", err)
	}
}

func find(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
		if _, err = os.Stat(path); err != nil {
			if os.Getenv("PRIMUM_NEED_ALL") == "1" {
				t.Fatal("mosquitto is not on this machine (and PRIMUM_NEED_ALL=1)")
			}
			t.Skip("mosquitto is not on this machine: the test with a real broker was skipped (apt install mosquitto)")
		}
	}
	return path
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func (b *Broker) write(t testing.TB, o Options) {
	t.Helper()
	lines := []string{"listener " + strconv.Itoa(b.Port) + " 127.0.0.1"}
	lines = append(lines, o.Listener...)
	lines = append(lines, "persistence false", "log_dest stderr", "connection_messages true")
	if !strings.Contains(strings.Join(o.Lines, "\n"), "log_type") {
		lines = append(lines, "log_type all")
	}
	if !strings.Contains(strings.Join(o.Lines, "\n"), "allow_anonymous") {
		lines = append(lines, "allow_anonymous true")
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user root") // else it can't read the test's folder
	}
	lines = append(lines, o.Lines...)
	b.config = filepath.Join(b.dir, "mosquitto.conf")
	if err := os.WriteFile(b.config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// launch starts the process and returns when it says that it runs.
func (b *Broker) launch() error {
	cmd := exec.Command(b.binary, "-c", b.config)
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	running := make(chan bool, 2)
	var last string
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), " running") {
				running <- true
				break
			}
			last = lines.Text()
		}
		running <- false
		for lines.Scan() { // keep its pipe empty
			continue
		}
	}()
	select {
	case ok := <-running:
		if !ok {
			_ = cmd.Wait()
			return fmt.Errorf("mosquitto ended: %s", last)
		}
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("mosquitto did not say that it runs within 20 s")
	}
	b.cmd = cmd
	return nil
}
