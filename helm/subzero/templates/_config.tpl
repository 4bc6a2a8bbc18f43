{{/* Subzero's configuration: the user's, and over it what only the chart can know. */}}

{{/* Combinations that a schema cannot refuse, or would refuse without the cure. */}}
{{- define "subzero.refuse" -}}
{{- if hasKey .Values.config "listen" -}}
{{- fail "config.listen: the chart writes it; set `ports`, `listenAddress`, `metrics.enabled` and `api.enabled` instead" -}}
{{- end -}}
{{- if hasKey (default dict .Values.config.api) "keys_file" -}}
{{- fail "config.api.keys_file: the chart writes it; set `api.existingSecret` and `api.key` instead" -}}
{{- end -}}
{{- $tls := .Values.api.tls -}}
{{- if and $tls.clientCaKey (not $tls.existingSecret) -}}
{{- fail "api.tls.clientCaKey: callers' certificates need TLS; put certificate, key and that authority into a Secret and name it in `api.tls.existingSecret`" -}}
{{- end -}}
{{- if and $tls.existingSecret (not .Values.api.enabled) -}}
{{- fail "api.tls.existingSecret: the API is on the pod's loopback, where TLS helps nobody; set `api.enabled`" -}}
{{- end -}}
{{- if and .Values.api.enabled (not .Values.api.existingSecret) (not $tls.clientCaKey) -}}
{{- fail "api.enabled: an API that others can reach needs keys; put what `subzero key NAME --scopes read` prints into a Secret and name it in `api.existingSecret`, or ask for certificates (`api.tls.clientCaKey`)" -}}
{{- end -}}
{{- $stores := compact (list .Values.store.inline .Values.store.existingConfigMap .Values.store.existingSecret) -}}
{{- if gt (len $stores) 1 -}}
{{- fail "store: set one of `inline`, `existingConfigMap` and `existingSecret`, not several" -}}
{{- end -}}
{{- with .Values.openfga -}}
{{- if and .url $stores -}}
{{- fail "openfga.url: relationships come from one place; leave out either this or `store`" -}}
{{- end -}}
{{- if and .url (not .storeId) -}}
{{- fail "openfga.storeId: is missing; `fga store list` tells it" -}}
{{- end -}}
{{- if and (not .url) (or .storeId .modelId .existingSecret .client.clientId) -}}
{{- fail "openfga.url: is missing, so the rest of `openfga` would mean nothing; write where the server is" -}}
{{- end -}}
{{- if and .client.clientId (not .existingSecret) -}}
{{- fail "openfga.client: its secret is not a value; put it into a Secret and name that in `openfga.existingSecret`" -}}
{{- end -}}
{{- if and .client.clientId (not .client.tokenEndpoint) -}}
{{- fail "openfga.client.tokenEndpoint: is missing; write where tokens come from, such as https://auth.fga.dev/oauth/token" -}}
{{- end -}}
{{- end -}}
{{- if and $stores (hasKey (default dict .Values.config.permission) "store_file") -}}
{{- fail "config.permission.store_file: the chart writes it while `store` names one; leave one of the two out" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics: set one of `serviceMonitor.enabled` and `podMonitor.enabled`, or everything is scraped twice" -}}
{{- end -}}
{{- if and (or .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled) (not .Values.metrics.enabled) -}}
{{- fail "metrics.enabled: a monitor cannot scrape a port that only the pod can reach; set it to true" -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") .Values.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled: sidecars have no Service; set `metrics.podMonitor.enabled` instead" -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") .Values.api.enabled -}}
{{- fail "api.enabled: a sidecar's API is for its own pod, which reaches it on 127.0.0.1 without keys; set it to false" -}}
{{- end -}}
{{- if and (ne .Values.mode "deployment") .Values.autoscaling.enabled -}}
{{- fail "autoscaling.enabled: only `mode: deployment` scales; set it to false" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas: is more than `autoscaling.maxReplicas`" -}}
{{- end -}}
{{- if and .Values.redis.url (not .Values.redis.existingSecret) -}}
{{- fail "redis.url: what pods share is sealed with a key of yours; put 16 random bytes or more into a Secret under `key`, and name it in `redis.existingSecret`" -}}
{{- end -}}
{{- $seen := dict -}}
{{- range .Values.secrets -}}
{{- if or (hasKey $seen .name) (has .name (list "api" "api-tls" "openfga" "redis")) -}}
{{- fail (printf "secrets: the name `%s` is taken; choose another" .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- end -}}

{{- define "subzero.config" -}}
{{- include "subzero.refuse" . -}}
{{- $isSidecar := eq .Values.mode "sidecar" -}}
{{- $open := .Values.listenAddress -}}
{{- $grpc := list (printf "%s:%d" (ternary "127.0.0.1" $open $isSidecar) (int .Values.ports.grpc)) -}}
{{- if and $isSidecar .Values.sidecar.socket -}}
{{- $grpc = append $grpc (printf "unix:%s" .Values.sidecar.socket) -}}
{{- end -}}
{{- $http := printf "%s:%d" (ternary $open "127.0.0.1" .Values.api.enabled) (int .Values.ports.http) -}}
{{- $admin := printf "%s:%d" (ternary $open "127.0.0.1" .Values.metrics.enabled) (int .Values.ports.admin) -}}
{{- $own := dict "listen" (dict "grpc" $grpc "http" $http "admin" $admin) -}}
{{- if .Values.api.enabled -}}
{{- $api := dict -}}
{{- if .Values.api.existingSecret -}}
{{- $_ := set $api "keys_file" (printf "/etc/subzero/secrets/api/%s" .Values.api.key) -}}
{{- end -}}
{{- with .Values.api.tls -}}
{{- if .existingSecret -}}
{{- $at := "/etc/subzero/secrets/api-tls" -}}
{{- $tls := dict "certificate_file" (printf "%s/%s" $at .certificateKey) "key_file" (printf "%s/%s" $at .privateKey) -}}
{{- if .clientCaKey -}}
{{- $_ := set $tls "client_ca_file" (printf "%s/%s" $at .clientCaKey) -}}
{{- end -}}
{{- $_ := set $api "tls" $tls -}}
{{- end -}}
{{- end -}}
{{- $_ := set $own "api" $api -}}
{{- end -}}
{{- if or .Values.store.inline .Values.store.existingConfigMap .Values.store.existingSecret -}}
{{- $_ := set $own "permission" (dict "store_file" (printf "/etc/subzero/store/%s" .Values.store.key)) -}}
{{- end -}}
{{- with .Values.openfga -}}
{{- if .url -}}
{{- $server := dict "url" .url "store_id" .storeId -}}
{{- if .modelId -}}
{{- $_ := set $server "model_id" .modelId -}}
{{- end -}}
{{- $at := "/etc/subzero/secrets/openfga" -}}
{{- if .client.clientId -}}
{{- $client := dict "client_id" .client.clientId "client_secret_file" (printf "%s/%s" $at .client.secretKey) "secret_by" .client.secretBy "token_endpoint" .client.tokenEndpoint -}}
{{- if .client.audience -}}
{{- $_ := set $client "audience" .client.audience -}}
{{- end -}}
{{- $_ := set $server "credentials" (dict "client" $client) -}}
{{- else if .existingSecret -}}
{{- $_ := set $server "credentials" (dict "key_file" (printf "%s/%s" $at .key)) -}}
{{- end -}}
{{- $_ := set $own "permission" (dict "openfga" $server) -}}
{{- end -}}
{{- end -}}
{{- with .Values.redis -}}
{{- if .url -}}
{{- $redis := dict "url" .url "key_file" (printf "/etc/subzero/secrets/redis/%s" .key) -}}
{{- if .passwordKey -}}
{{- $_ := set $redis "password_file" (printf "/etc/subzero/secrets/redis/%s" .passwordKey) -}}
{{- end -}}
{{- $_ := set $own "store" (dict "redis" $redis) -}}
{{- end -}}
{{- end -}}
{{- $routes := default list .Values.config.routes -}}
{{- if and .Values.tests.enabled (not $isSidecar) -}}
{{- $match := dict "context" (dict "helm-test" (include "subzero.fullname" .)) -}}
{{- $routes = prepend $routes (dict "name" "helm-test" "match" $match "public" true) -}}
{{- end -}}
{{- $_ := set $own "routes" $routes -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end -}}
