//go:build integration

package service

import "testing"

// The long run of TestSubscriberMissesNothing.
func TestIntegrationSubscriberMissesNothing(t *testing.T) { missNothing(t, 20000) }
