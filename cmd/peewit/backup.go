package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"peewit/bridge/eventlog"
)

// Run writes a backup of the running daemon's log. The file appears whole or
// not at all.
func (l *logBackupCmd) Run(ctx context.Context, con *console, c *cli) error {
	body, err := request(ctx, c, "log/backup", none{})
	if err != nil {
		return err
	}
	defer body.Close()
	if l.File == "-" {
		_, err := io.Copy(con.out, body)
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(l.File), ".peewit-backup-*")
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	defer os.Remove(part.Name()) // gone already when all went well
	size, err := io.Copy(part, body)
	if err == nil {
		err = part.Sync()
	}
	if closing := part.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(part.Name(), l.File)
	}
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return print(con, []doneRow{{fmt.Sprintf("%d bytes in %s", size, l.File)}})
}

// Run fills the log of a stopped daemon from a backup. The log must be new: a
// backup is never mixed with what is there.
func (l *logRestoreCmd) Run(ctx context.Context, con *console, c *cli) error {
	cfg, err := loadConfig(c.Config, c.Data)
	if err != nil {
		return err
	}
	in, err := openInput(con, l.File)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := dataDir(cfg); err != nil {
		return err
	}
	if err := eventlog.Restore(ctx, logOptions(cfg, newLogger(con.err, "error")), in); err != nil {
		return err
	}
	return print(con, []doneRow{{"log restored into " + cfg.Data + "; the read models are rebuilt at the next start"}})
}
