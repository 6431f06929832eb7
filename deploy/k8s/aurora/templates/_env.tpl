{{/* Environment of both processes. */}}
{{- define "aurora.env.shared" -}}
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: AURORA_STORAGE_STATE_DIR, value: /var/lib/aurora}
- {name: AURORA_STORAGE_RUNTIME_DIR, value: /run/aurora}
- {name: AURORA_LOG_LEVEL, value: {{ .Values.log.level | quote }}}
- {name: AURORA_LOG_FORMAT, value: {{ .Values.log.format | quote }}}
- {name: AURORA_ENCRYPTION_KEY_FILE, value: /etc/aurora/secrets/encryption-key}
{{- if or .Values.encryption.existingSecretPreviousKey .Values.encryption.previousKey }}
- {name: AURORA_ENCRYPTION_KEY_PREVIOUS_FILE, value: /etc/aurora/secrets/encryption-key-previous}
{{- end }}
- {name: CLUSTER_ENABLED, value: {{ .Values.cluster.enabled | quote }}}
- {name: CLUSTER_NODE_ID, value: {{ printf "%s$(POD_NAME)" .Values.cluster.nodeIdPrefix | quote }}}
{{- if .Values.cluster.enabled }}
- {name: CLUSTER_FAILOVER_MODE, value: {{ .Values.cluster.failoverMode | quote }}}
- {name: CLUSTER_ELECTION_PROFILE, value: {{ .Values.cluster.electionProfile | quote }}}
- {name: CLUSTER_PASSIVE_BEHAVIOR, value: {{ .Values.cluster.passiveBehavior | quote }}}
- {name: CLUSTER_PEER_LISTEN, value: {{ include "aurora.listen" (dict "root" . "port" 7950) | quote }}}
{{- if .Values.cluster.tls.enabled }}
- {name: CLUSTER_TLS_CERT, value: /etc/aurora/tls/cluster/tls.crt}
- {name: CLUSTER_TLS_KEY, value: /etc/aurora/tls/cluster/tls.key}
- {name: CLUSTER_TLS_CA, value: /etc/aurora/tls/cluster/ca.crt}
{{- end }}
- {name: CLUSTER_STALE_POLICY, value: {{ .Values.cluster.stalePolicy | quote }}}
- {name: CLUSTER_MAX_STALENESS, value: {{ .Values.cluster.maxStaleness | quote }}}
{{- end }}
{{- if .Values.config }}
- {name: AURORA_CONFIG, value: /etc/aurora/config/aurora.toml}
{{- end }}
{{- range $name, $value := .Values.providers.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with include "aurora.providerKeys" . }}
{{- range splitList "," . }}
- {name: {{ . }}_FILE, value: /etc/aurora/providers/{{ . }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "aurora.env.dataPlane" -}}
{{ include "aurora.env.shared" . }}
- {name: AURORA_SERVER_LISTEN, value: {{ include "aurora.listen" (dict "root" . "port" 8080) | quote }}}
- {name: AURORA_METRICS_DATAPLANE_LISTEN, value: {{ include "aurora.listen" (dict "root" . "port" 9091) | quote }}}
- {name: AURORA_SERVER_LOOPS, value: {{ .Values.dataPlane.loops | int | quote }}}
- {name: AURORA_SERVER_DRAIN_GRACE, value: "{{ int .Values.dataPlane.drain.graceSeconds }}s"}
- {name: AURORA_SERVER_DRAIN_TIMEOUT, value: "{{ int .Values.dataPlane.drain.timeoutSeconds }}s"}
{{- if .Values.service.tls.existingSecret }}
- {name: AURORA_SERVER_TLS_CERT, value: /etc/aurora/tls/server/tls.crt}
- {name: AURORA_SERVER_TLS_KEY, value: /etc/aurora/tls/server/tls.key}
{{- end }}
{{- with concat .Values.extraEnv .Values.dataPlane.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aurora.env.controlPlane" -}}
{{ include "aurora.env.shared" . }}
- {name: AURORA_METRICS_CONTROLPLANE_LISTEN, value: {{ include "aurora.listen" (dict "root" . "port" 9092) | quote }}}
- {name: AURORA_MASTER_KEY_FILE, value: /etc/aurora/secrets/master-key}
{{- if .Values.adminService.enabled }}
- {name: AURORA_ADMIN_REST_LISTEN, value: {{ include "aurora.listen" (dict "root" . "port" 7949) | quote }}}
{{- end }}
{{- if .Values.cluster.tls.enabled }}
- {name: AURORA_ADMIN_TLS_CERT, value: /etc/aurora/tls/cluster/tls.crt}
- {name: AURORA_ADMIN_TLS_KEY, value: /etc/aurora/tls/cluster/tls.key}
{{- end }}
{{- if .Values.cluster.enabled }}
- {name: CLUSTER_NODE_NAME, value: {{ printf "%s$(POD_NAME)" .Values.cluster.nodeIdPrefix | quote }}}
- {name: CLUSTER_REGION, value: {{ .Values.cluster.region | quote }}}
{{- if .Values.cluster.zoneFromPodLabel }}
- {name: CLUSTER_ZONE, valueFrom: {fieldRef: {fieldPath: "metadata.labels['{{ .Values.cluster.zoneFromPodLabel }}']"}}}
{{- else }}
- {name: CLUSTER_ZONE, value: {{ .Values.cluster.zone | quote }}}
{{- end }}
- {name: CLUSTER_BIND_ADDR, value: {{ .Values.listenAddress | quote }}}
- {name: CLUSTER_SYNC_BIND_ADDR, value: {{ .Values.listenAddress | quote }}}
- {name: CLUSTER_ADVERTISE_ADDR, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: CLUSTER_SEED_NODES, value: {{ include "aurora.seeds" . | quote }}}
- {name: CLUSTER_BOOTSTRAP_EXPECT, value: {{ include "aurora.bootstrapExpect" . | quote }}}
- {name: CLUSTER_HEARTBEAT_INTERVAL_SECONDS, value: {{ .Values.cluster.heartbeatIntervalSeconds | int | quote }}}
- {name: CLUSTER_ADVERTISE_URL, value: {{ .Values.cluster.advertiseUrl | quote }}}
- {name: CLUSTER_LABEL, value: {{ .Values.cluster.label | quote }}}
{{- if .Values.cluster.gossip.encryption }}
- {name: CLUSTER_GOSSIP_KEYS_FILE, value: /etc/aurora/secrets/gossip-keys}
{{- end }}
{{- end }}
{{- with concat .Values.extraEnv .Values.controlPlane.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
