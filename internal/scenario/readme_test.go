package scenario

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadmeCommands runs what README.md tells a newcomer to type: the first
// screen against a running `primum local`, then the look with stock tools.
func TestReadmeCommands(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		needAll(t, "curl is not on this machine")
	}
	bin := buildPrimum(t)
	env := ownEnvironment(t)
	printed := startLocal(t, bin, env)
	blocks := shellBlocks(t, "../../README.md")
	if len(blocks) < 6 || strings.Join(blocks[0], "") != "make run" {
		t.Fatalf("README.md begins with other commands: %v", blocks)
	}
	ran := 0
	for _, block := range [][]string{blocks[1], blocks[3], blocks[4], blocks[5]} {
		for _, line := range block {
			ran++
			runLine(t, bin, env, printed.actual(line))
		}
	}
	if ran < 16 {
		t.Errorf("only %d commands of README.md were run", ran)
	}
	for _, command := range printed.commands {
		if strings.HasPrefix(command, "watch ") {
			command += " --count 2"
		}
		if strings.HasPrefix(command, "withdraw ") || strings.HasPrefix(command, "local bytes") || strings.HasPrefix(command, "watch ") {
			continue // README has had them
		}
		runLine(t, bin, env, "./primum "+command)
	}
}

// TestLocalKeeps: with --keep the folder stays and says so, and a second game
// does not overwrite it.
func TestLocalKeeps(t *testing.T) {
	bin := buildPrimum(t)
	env := ownEnvironment(t)
	keep := filepath.Join(t.TempDir(), "game")
	cmd := exec.Command(bin, "local", "--keep", keep)
	cmd.Env = env
	lines, complaints := startLines(t, cmd)
	readScreen(t, lines, complaints)
	if last := endLines(t, cmd, lines); last != "stopped; everything is kept in "+keep {
		t.Errorf("its last word is %q", last)
	}
	if _, err := os.Stat(filepath.Join(keep, "node-h", "store", "log.db")); err != nil {
		t.Error(err)
	}
	again := exec.Command(bin, "local", "--keep", keep)
	again.Env = env
	if out, err := again.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("not empty")) {
		t.Errorf("a second game in the same folder: %v\n%s", err, out)
	}
}

// needAll skips, or fails where everything must be there.
func needAll(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("PRIMUM_NEED_ALL") == "1" {
		t.Fatalf("%s (and PRIMUM_NEED_ALL=1)", why)
	}
	t.Skip(why)
}

// buildPrimum builds the program as `make build` does.
func buildPrimum(t testing.TB) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "primum")
	cmd := exec.Command("go", "build", "-o", bin, "primum/cmd/primum")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// ownEnvironment keeps the test away from the user's own identities.
func ownEnvironment(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	return append(os.Environ(), "LC_ALL=C", "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "XDG_DATA_HOME="+dir, "PRIMUM_HOME=", "TMPDIR="+dir)
}

// localScreen is what a running `primum local` has printed.
type localScreen struct {
	owner, adviser string // authorities, with port
	commands       []string
}

// actual puts the ports of this run in place of the usual ones.
func (l localScreen) actual(line string) string {
	line = strings.ReplaceAll(line, "h.localhost:8401", l.owner)
	return strings.ReplaceAll(line, "s.localhost:8402", l.adviser)
}

var (
	ownerAt   = regexp.MustCompile(`--as owner@(h\.localhost:\d+)`)
	adviserAt = regexp.MustCompile(`--as adviser@(s\.localhost:\d+)`)
)

// startLocal starts `primum local`, reads its screen, and at the end stops it
// with Ctrl-C and looks for what it left behind.
func startLocal(t *testing.T, bin string, env []string) localScreen {
	t.Helper()
	cmd := exec.Command(bin, "local")
	cmd.Env = env
	lines, complaints := startLines(t, cmd)
	t.Cleanup(func() { stopLocal(t, cmd, lines) })
	screen := readScreen(t, lines, complaints)
	firstAddressAnswers(t, screen)
	if m := ownerAt.FindStringSubmatch(strings.Join(screen, "\n")); m != nil {
		l := localScreen{owner: m[1]}
		l.adviser = adviserAt.FindStringSubmatch(strings.Join(screen, "\n"))[1]
		for _, line := range screen {
			if _, command, ok := strings.Cut(line, bin+" "); ok {
				l.commands = append(l.commands, command)
			}
		}
		return l
	}
	t.Fatalf("no commands among what it printed:\n%s", strings.Join(screen, "\n"))
	return localScreen{}
}

func readScreen(t *testing.T, lines <-chan string, complaints io.Reader) (screen []string) {
	t.Helper()
	deadline := time.After(2 * time.Minute) // raced, on a busy machine
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				b, _ := io.ReadAll(complaints)
				t.Fatalf("primum local ended:\n%s\n%s", strings.Join(screen, "\n"), b)
			}
			screen = append(screen, line)
			if strings.HasPrefix(line, "Ctrl-C") {
				return screen
			}
		case <-deadline:
			t.Fatalf("primum local did not come up:\n%s", strings.Join(screen, "\n"))
		}
	}
}

// startLines starts a command and reads its lines.
func startLines(t *testing.T, cmd *exec.Cmd) (lines chan string, complaints *bytes.Buffer) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	complaints = &bytes.Buffer{}
	cmd.Stderr = complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines = make(chan string, 1024)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines, complaints
}

// endLines is Ctrl-C; it returns the last line.
func endLines(t *testing.T, cmd *exec.Cmd, lines <-chan string) (last string) {
	t.Helper()
	_ = cmd.Process.Signal(os.Interrupt)
	for line := range lines {
		last = line
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("primum local after Ctrl-C: %v", err)
	}
	return last
}

var address = regexp.MustCompile(`http://[a-z.]+:\d+\S*`)

// firstAddressAnswers: the first address printed is node H's status page.
func firstAddressAnswers(t *testing.T, screen []string) {
	t.Helper()
	url := address.FindString(strings.Join(screen, "\n"))
	out, err := exec.CommandContext(t.Context(), "curl", "-fsS", url).Output()
	if err != nil || !strings.HasPrefix(url, "http://h.localhost:") || !bytes.Contains(out, []byte("Never: values")) {
		t.Errorf("the first address, %s: %v\n%s", url, err, out)
	}
}

func stopLocal(t *testing.T, cmd *exec.Cmd, lines <-chan string) {
	t.Helper()
	if last := endLines(t, cmd, lines); last != "stopped; nothing left behind" {
		t.Errorf("its last word is %q", last)
	}
	for _, e := range cmd.Env {
		if dir, ok := strings.CutPrefix(e, "TMPDIR="); ok {
			if left, _ := filepath.Glob(filepath.Join(dir, "primum-local-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	}
}

// shellBlocks are the commands of each ```sh block, without comments.
func shellBlocks(t *testing.T, file string) (blocks [][]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(b), "```") {
		text, ok := strings.CutPrefix(part, "sh\n")
		if i%2 == 0 || !ok {
			continue
		}
		var block []string
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, "  #")
			if line = strings.TrimSpace(line); line != "" {
				block = append(block, line)
			}
		}
		blocks = append(blocks, block)
	}
	return blocks
}

// runLine runs one command line with a shell, where ./primum is the binary, and
// returns what it printed.
func runLine(t *testing.T, bin string, env []string, line string) (printed string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir, cmd.Env = filepath.Dir(bin), env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) || err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
		return ""
	}
	if len(bytes.TrimSpace(out)) == 0 {
		t.Errorf("%s printed nothing", line)
	}
	if strings.Contains(line, " withdraw ") && (!bytes.Contains(out, []byte("lock two")) || bytes.Contains(out, []byte("not confirmed"))) {
		t.Errorf("%s printed\n%s", line, out)
	}
	return string(out)
}

// TestReadmeShowsTheExample compares the Go program in README.md with the
// example that the compiler sees.
func TestReadmeShowsTheExample(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../client/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```go\n")
	shown, _, ok2 := strings.Cut(rest, "```")
	_, body, ok3 := strings.Cut(string(example), "func Example() {\n")
	body, _, ok4 := strings.Cut(body, "\n}\n")
	if !ok || !ok2 || !ok3 || !ok4 {
		t.Fatal("no Go block in README.md, or no Example in client/example_test.go")
	}
	body = strings.ReplaceAll("\n"+body, "\n\t", "\n")
	if strings.TrimSpace(shown) != strings.TrimSpace(body) {
		t.Errorf("README.md shows\n%s\nthe example is\n%s", shown, body)
	}
	if n := strings.Count(strings.TrimSpace(shown), "\n") + 1; n > 12 {
		t.Errorf("the example has %d lines", n)
	}
}
