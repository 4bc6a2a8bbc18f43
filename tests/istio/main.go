// Reads a mesh configuration as Istio does: into its own message, where an unknown field is an error.
//
//	meshconfig < mesh-config.yaml
//
// istioctl would do it too, and takes many minutes to build; this takes seconds, from the same definition.
package main

import (
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	mesh "istio.io/api/mesh/v1alpha1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(in io.Reader) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	json, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	return protojson.Unmarshal(json, &mesh.MeshConfig{})
}
