{{/* The container and its volumes, the same in every mode. */}}

{{- define "subzero.container" -}}
name: subzero
image: {{ include "subzero.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - serve
  - --config
  - /etc/subzero/config/subzero.yaml
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if and (eq .Values.mode "sidecar") .Values.sidecar.native }}
restartPolicy: Always
{{- end }}
ports:
  {{- if ne .Values.mode "sidecar" }}
  - { name: grpc, containerPort: {{ .Values.ports.grpc }}, protocol: TCP }
  {{- end }}
  {{- if .Values.api.enabled }}
  - { name: http, containerPort: {{ .Values.ports.http }}, protocol: TCP }
  {{- end }}
  {{- if .Values.metrics.enabled }}
  - { name: {{ include "subzero.metricsPort" . }}, containerPort: {{ .Values.ports.admin }}, protocol: TCP }
  {{- end }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
startupProbe:
  exec: { command: {{ include "subzero.probe" (list . "/healthz") }} }
  periodSeconds: {{ .Values.startupProbe.periodSeconds }}
  failureThreshold: 30
  timeoutSeconds: 3
livenessProbe:
  exec: { command: {{ include "subzero.probe" (list . "/healthz") }} }
  periodSeconds: {{ .Values.livenessProbe.periodSeconds }}
  failureThreshold: {{ .Values.livenessProbe.failureThreshold }}
  timeoutSeconds: {{ .Values.livenessProbe.timeoutSeconds }}
readinessProbe:
  exec: { command: {{ include "subzero.probe" (list . "/readyz") }} }
  periodSeconds: {{ .Values.readinessProbe.periodSeconds }}
  failureThreshold: {{ .Values.readinessProbe.failureThreshold }}
  timeoutSeconds: {{ .Values.readinessProbe.timeoutSeconds }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  # Folders, not single files: only those follow a changed ConfigMap or Secret.
  - { name: subzero-config, mountPath: /etc/subzero/config, readOnly: true }
  {{- if or .Values.store.inline .Values.store.existingConfigMap .Values.store.existingSecret }}
  - { name: subzero-store, mountPath: /etc/subzero/store, readOnly: true }
  {{- end }}
  {{- range include "subzero.secrets" . | fromYamlArray }}
  - { name: subzero-secret-{{ .name }}, mountPath: /etc/subzero/secrets/{{ .name }}, readOnly: true }
  {{- end }}
  {{- if and (eq .Values.mode "sidecar") .Values.sidecar.socket }}
  - { name: subzero-socket, mountPath: {{ dir .Values.sidecar.socket }} }
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* In a pod of yours, `metrics` may be your own port's name. */}}
{{- define "subzero.metricsPort" -}}
{{ ternary "subzero-metrics" "metrics" (eq .Values.mode "sidecar") }}
{{- end -}}

{{- define "subzero.probe" -}}
{{- $root := index . 0 -}}
["/usr/local/bin/subzero", "health", "http://127.0.0.1:{{ $root.Values.ports.admin }}{{ index . 1 }}"]
{{- end -}}

{{/* Every Secret that is mounted, as `secrets` has them: the chart's own first. */}}
{{- define "subzero.secrets" -}}
{{- $all := list -}}
{{- if and .Values.api.enabled .Values.api.existingSecret -}}
{{- $all = append $all (dict "name" "api" "existingSecret" .Values.api.existingSecret) -}}
{{- end -}}
{{- if .Values.api.tls.existingSecret -}}
{{- $all = append $all (dict "name" "api-tls" "existingSecret" .Values.api.tls.existingSecret) -}}
{{- end -}}
{{- if and .Values.openfga.url .Values.openfga.existingSecret -}}
{{- $all = append $all (dict "name" "openfga" "existingSecret" .Values.openfga.existingSecret) -}}
{{- end -}}
{{- if .Values.redis.url -}}
{{- $all = append $all (dict "name" "redis" "existingSecret" .Values.redis.existingSecret) -}}
{{- end -}}
{{- toYaml (concat $all .Values.secrets) -}}
{{- end -}}

{{- define "subzero.volumes" -}}
- name: subzero-config
  configMap: { name: {{ include "subzero.fullname" . }} }
{{- if .Values.store.existingConfigMap }}
- name: subzero-store
  configMap: { name: {{ .Values.store.existingConfigMap }} }
{{- else if .Values.store.existingSecret }}
- name: subzero-store
  secret: { secretName: {{ .Values.store.existingSecret }} }
{{- else if .Values.store.inline }}
- name: subzero-store
  configMap: { name: {{ include "subzero.fullname" . }}-store }
{{- end }}
{{- range include "subzero.secrets" . | fromYamlArray }}
- name: subzero-secret-{{ .name }}
  secret: { secretName: {{ .existingSecret }} }
{{- end }}
{{- if and (eq .Values.mode "sidecar") .Values.sidecar.socket }}
- name: subzero-socket
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The pod template of the Deployment and the DaemonSet. */}}
{{- define "subzero.pod" -}}
metadata:
  annotations:
    kubectl.kubernetes.io/default-container: subzero
    {{- if .Values.rollOnConfigChange }}
    checksum/config: {{ printf "%s\n%s" (include "subzero.config" .) .Values.store.inline | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "subzero.labels" . | nindent 4 }}
    sidecar.istio.io/inject: {{ .Values.istioInject | quote }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "subzero.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  containers:
    - {{ include "subzero.container" . | nindent 6 | trim }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "subzero.volumes" . | nindent 4 }}
  {{- if eq .Values.mode "deployment" }}
  {{- include "subzero.spread" . | nindent 2 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "subzero.spread" -}}
{{- $constraints := .Values.topologySpreadConstraints -}}
{{- if and (not $constraints) .Values.spreadByDefault -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" -}}
{{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway") -}}
{{- end -}}
{{- end -}}
{{- with $constraints -}}
topologySpreadConstraints:
{{- range . }}
  - {{- $selector := dict "matchLabels" (include "subzero.selector" $ | fromYaml) -}}
    {{- toYaml (merge (deepCopy .) (dict "labelSelector" $selector)) | nindent 4 | trim | printf " %s" }}
{{- end }}
{{- end -}}
{{- end -}}
