//go:build !memberlist_without_labels

package main

import "github.com/hashicorp/memberlist"

// memberlist has labels since v0.3.0.
func init() { setLabel = func(c *memberlist.Config, l string) { c.Label = l } }
