package main

import (
	"errors"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"
)

// Advice that can be typed as it is printed.

// typed is a command as the operator would type it to reach the same data
// directory in the way this process was called.
func typed(cfg *Config, command string) string {
	program := os.Args[0]
	if strings.Contains(program, "/go-build") { // where go run puts it
		program = "go run ./cmd/peewit"
	}
	if command != "" {
		program += " " + command
	}
	return program + cfg.flags
}

// flags are the flags that lead to a configuration and a data directory, "" =
// the default ones.
func flags(config, data string) string {
	var text string
	if config != "" {
		text += " --config " + config
	}
	if data != "" {
		text += " --data " + data
	}
	return text
}

// isTerminal reports whether somebody sits at a reader or writer.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// commandOf is the command, as far as it was understood, whose line had an error.
func commandOf(err error) string {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return "peewit"
	}
	command := parse.Context.Model.Name
	for _, part := range parse.Context.Path {
		if part.Command != nil && part.Command.Name != "serve" { // which is understood before anything is
			command += " " + part.Command.Name
		}
	}
	return command
}
