package service

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// eraseBatch is how many records are erased before those that waited meanwhile
// are looked at: each costs the log a rewritten block.
const eraseBatch = 100

// eraseEvery is how often the eraser looks for more when nothing told it.
const eraseEvery = 10 * time.Second

// Scrubber is a read model that may hold bytes of erased records.
type Scrubber func(ctx context.Context) error

// Erase makes retracted posts, removed accounts and superseded secrets vanish
// from the disk, until ctx ends: first from the log, then from the archive, then
// from the other read models. What is to be erased stands in the archive, so an
// interruption only delays it. Every node erases its own copies; in the shared
// log a sequence that is gone already is no error.
func (s *Service) Erase(ctx context.Context, others ...Scrubber) error {
	tick := time.NewTicker(eraseEvery)
	defer tick.Stop()
	for {
		seqs, err := s.arc.Dead(eraseBatch)
		if err != nil {
			return fmt.Errorf("erase: %w", err)
		}
		if len(seqs) == 0 {
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := s.erase(ctx, seqs, others); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.logger.Error("erase records", slog.Int("count", len(seqs)), slog.Any("err", err))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func (s *Service) erase(ctx context.Context, seqs []uint64, others []Scrubber) error {
	if err := s.log.Erase(ctx, seqs...); err != nil {
		return err
	}
	for _, scrub := range others {
		if err := scrub(ctx); err != nil {
			return err
		}
	}
	if err := s.arc.Scrub(ctx, seqs...); err != nil {
		return err
	}
	s.logger.Info("erased records", slog.Int("count", len(seqs)))
	return nil
}
