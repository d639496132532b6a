// Command peewit hosts XMPP microblogs, merges feeds into planets, searches and
// tracks all of it, and relays it to OpenMicroBlogging sites.
//
// This package is the process: the command line (cli.go), the configuration
// (config.go), the wiring of the rooms and their endings in reverse order
// (daemon.go), and the socket through which the other commands talk to the
// running daemon (admin.go).
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"peewit/bridge"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: it returns the exit code. ctx ends it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	console := &console{in: stdin, out: stdout, err: stderr}
	err := dispatch(ctx, args, console)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "peewit: "+oneLine(err))
	return 1
}

// console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
	json     bool // one JSON object a line instead of text
}

// oneLine is an error as the operator, who is no stranger, reads it: the text of a
// refusal and its cause, anything else in full, on one line.
func oneLine(err error) string {
	text := err.Error()
	if refusal := bridge.AsError(err); refusal.Condition != bridge.InternalError && refusal.Text != "" {
		text = refusal.Text
		if refusal.Err != nil {
			text += " (" + refusal.Err.Error() + ")"
		}
	}
	return strings.Join(strings.Fields(text), " ")
}
