package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// serveOperator serves /healthz, /readyz and /metrics, from before the read
// models have caught up: that is when an operator wants to know.
func (h *house) serveOperator(ctx context.Context) error {
	if h.operator == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.ready(); err != nil {
			http.Error(w, oneLine(err), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	measured := metrics(h.report)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if !h.isServing() {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		measured.ServeHTTP(w, r)
	})
	h.serveHTTP(ctx, "operator pages", h.operator, mux)
	return nil
}

func (h *house) isServing() bool {
	select {
	case <-h.serving:
		return true
	default:
		return false
	}
}

// ready is nil when all listeners serve, every read model has reached the
// position that the log had at start, and the log takes records.
func (h *house) ready() error {
	if !h.isServing() {
		return errors.New("starting")
	}
	if at := h.index.Status().Position.Seq; at < h.begin {
		return fmt.Errorf("the index is at %d of %d", at, h.begin)
	}
	return h.log.Writable()
}
