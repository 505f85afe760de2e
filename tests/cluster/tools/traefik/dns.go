// Package dns stands in for lego's own, which imports the client of every DNS service there is: two thirds of what a
// build of Traefik compiles, and nothing of it serves an Ingress.
package dns

import (
	"fmt"

	"github.com/go-acme/lego/v4/challenge"
)

// NewDNSChallengeProviderByName knows no provider.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	return nil, fmt.Errorf("this Traefik is built without DNS providers, so without %q", name)
}
