{{/* What meshes and proxies need to be told about this release; NOTES.txt prints it. */}}

{{/* Istio's word for where Subzero is. */}}
{{- define "subzero.istioService" -}}
{{- if eq .Values.mode "sidecar" -}}
{{ include "subzero.fullname" . }}.{{ .Release.Namespace }}.ext-authz.local
{{- else -}}
{{ include "subzero.host" . }}
{{- end -}}
{{- end -}}

{{/* The proxy's buffer is Subzero's `screening.max_body`: a body that fills it counts as cut. */}}
{{- define "subzero.maxBody" -}}
{{- $given := default "64KiB" (dig "screening" "max_body" "64KiB" .Values.config) | toString -}}
{{- if hasSuffix "KiB" $given -}}
{{ mul 1024 (trimSuffix "KiB" $given | int) }}
{{- else if hasSuffix "MiB" $given -}}
{{ mul 1048576 (trimSuffix "MiB" $given | int) }}
{{- else -}}
{{ $given | int }}
{{- end -}}
{{- end -}}

{{- define "subzero.snippet.istio" -}}
# Istio: into the mesh's configuration (meshConfig of istiod, or the ConfigMap `istio`)
extensionProviders:
  - name: {{ include "subzero.fullname" . }}
    envoyExtAuthzGrpc:
      service: {{ include "subzero.istioService" . }}
      port: {{ .Values.ports.grpc }}
      # Istio's own is 600 s.
      timeout: 0.5s
      failOpen: false
      statusOnError: "503"
      includeRequestBodyInCheck:
        maxRequestBytes: {{ include "subzero.maxBody" . }}
        allowPartialMessage: true
        packAsBytes: true
{{- if eq .Values.mode "sidecar" }}
---
# Istio: where the sidecar is, seen from the proxy of the same pod
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: {{ include "subzero.fullname" . }}, namespace: {{ .Release.Namespace }} }
spec:
  hosts: [{{ include "subzero.istioService" . }}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{ number: {{ .Values.ports.grpc }}, name: grpc, protocol: GRPC }]
  endpoints: [{ address: 127.0.0.1 }]
{{- end }}
---
# Istio: which workloads ask; put it into their namespace
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: {{ include "subzero.fullname" . }}, namespace: {{ .Release.Namespace }} }
spec:
  {{- if eq .Values.mode "sidecar" }}
  selector: { matchLabels: { {{ include "subzero.sidecarLabel" . }} } }
  {{- else }}
  selector: { matchLabels: { app: my-service } }
  {{- end }}
  action: CUSTOM
  provider: { name: {{ include "subzero.fullname" . }} }
  # The kubelet's probes have no token.
  rules: [{ to: [{ operation: { notPaths: [/healthz, /readyz] } }] }]
{{- end -}}

{{- define "subzero.snippet.gateway" -}}
# Envoy Gateway: which routes ask
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: { name: {{ include "subzero.fullname" . }}, namespace: my-namespace }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: my-route }]
  extAuth:
    # Envoy Gateway's own is 10 s.
    timeout: 500ms
    failOpen: false
    statusOnError: 503
    # A longer body is answered 413 by Envoy. Leave this out for routes with WebSocket upgrades.
    bodyToExtAuth: { maxRequestBytes: {{ include "subzero.maxBody" . }} }
    grpc:
      backendRefs: [{ name: {{ include "subzero.fullname" . }}, namespace: {{ .Release.Namespace }}, port: {{ .Values.ports.grpc }} }]
---
# Envoy Gateway: that policy may name a Service of this namespace
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: { name: {{ include "subzero.fullname" . }}, namespace: {{ .Release.Namespace }} }
spec:
  from: [{ group: gateway.envoyproxy.io, kind: SecurityPolicy, namespace: my-namespace }]
  to: [{ group: "", kind: Service, name: {{ include "subzero.fullname" . }} }]
{{- end -}}

{{- define "subzero.snippet.envoy" -}}
# Envoy: a filter before the router, and a cluster; envoy/raw/sidecar.yaml is a whole configuration
http_filters:
  - name: envoy.filters.http.ext_authz
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
      transport_api_version: V3
      grpc_service: { envoy_grpc: { cluster_name: subzero }, timeout: 0.5s }
      failure_mode_allow: false
      status_on_error: { code: ServiceUnavailable }
      validate_mutations: true
      include_peer_certificate: true
      encode_raw_headers: true
      # Routes with WebSocket upgrades need `check_settings: { disable_request_body_buffering: true }`.
      with_request_body: { max_request_bytes: {{ include "subzero.maxBody" . }}, allow_partial_message: true, pack_as_bytes: true }
clusters:
  - name: subzero
    {{- if and (eq .Values.mode "sidecar") .Values.sidecar.socket }}
    type: STATIC
    {{- else if eq .Values.mode "sidecar" }}
    type: STATIC
    {{- else }}
    type: STRICT_DNS
    {{- end }}
    connect_timeout: 0.25s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: { connection_keepalive: { interval: 10s, timeout: 2s } } }
    circuit_breakers: { thresholds: [{ max_connections: 1024, max_pending_requests: 16384, max_requests: 16384 }] }
    load_assignment:
      cluster_name: subzero
      endpoints:
        - lb_endpoints:
            {{- if and (eq .Values.mode "sidecar") .Values.sidecar.socket }}
            - endpoint: { address: { pipe: { path: {{ .Values.sidecar.socket }} } } }
            {{- else if eq .Values.mode "sidecar" }}
            - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: {{ .Values.ports.grpc }} } } }
            {{- else }}
            - endpoint: { address: { socket_address: { address: {{ include "subzero.host" . }}, port_value: {{ .Values.ports.grpc }} } } }
            {{- end }}
{{- end -}}
