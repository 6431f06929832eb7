{{- define "aurora.probe" -}}
{{- $numbers := index . 0 -}}
httpGet: {path: {{ index . 1 }}, port: {{ index . 2 }}}
{{ toYaml $numbers }}
{{- end -}}

{{- define "aurora.mounts" -}}
- {name: state, mountPath: /var/lib/aurora}
- {name: runtime, mountPath: /run/aurora}
- {name: tmp, mountPath: /tmp}
{{- if .Values.config }}
- {name: config, mountPath: /etc/aurora/config, readOnly: true}
{{- end }}
{{- if include "aurora.providerKeys" . }}
- {name: providers, mountPath: /etc/aurora/providers, readOnly: true}
{{- end }}
{{- end -}}

{{- define "aurora.controlPlane" -}}
- name: control-plane
  image: {{ include "aurora.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [/usr/local/bin/aurora-controlplane]
  {{- if eq .Values.controlPlane.mode "native" }}
  restartPolicy: Always
  {{- end }}
  env:
    {{- include "aurora.env.controlPlane" . | nindent 4 }}
  ports:
    {{- if .Values.adminService.enabled }}
    - {name: admin, containerPort: 7949, protocol: TCP}
    {{- end }}
    {{- if .Values.cluster.enabled }}
    - {name: gossip, containerPort: 7946, protocol: TCP}
    - {name: gossip-udp, containerPort: 7946, protocol: UDP}
    - {name: sync, containerPort: 7947, protocol: TCP}
    {{- end }}
    - {name: metrics-cp, containerPort: 9092, protocol: TCP}
  # No readiness probe: a dead control plane must not take a serving proxy out of the Service.
  startupProbe:
    {{- include "aurora.probe" (list .Values.probes.startup "/livez" "metrics-cp") | nindent 4 }}
  livenessProbe:
    {{- include "aurora.probe" (list .Values.probes.liveness "/livez" "metrics-cp") | nindent 4 }}
  resources:
    {{- toYaml .Values.controlPlane.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.containerSecurityContext | nindent 4 }}
  volumeMounts:
    {{- include "aurora.mounts" . | nindent 4 }}
    - {name: control-plane-secrets, mountPath: /etc/aurora/secrets, readOnly: true}
    {{- if .Values.cluster.tls.enabled }}
    - {name: cluster-tls, mountPath: /etc/aurora/tls/cluster, readOnly: true}
    {{- end }}
    {{- with .Values.controlPlane.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "aurora.dataPlane" -}}
- name: data-plane
  image: {{ include "aurora.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [/usr/local/bin/aurora-dataplane]
  env:
    {{- include "aurora.env.dataPlane" . | nindent 4 }}
  ports:
    - {name: http, containerPort: 8080, protocol: TCP}
    {{- if .Values.cluster.enabled }}
    - {name: peer, containerPort: 7950, protocol: TCP}
    {{- end }}
    - {name: metrics-dp, containerPort: 9091, protocol: TCP}
  # Alive, not ready: a fresh node may wait for its cluster longer than any start should take.
  startupProbe:
    {{- include "aurora.probe" (list .Values.probes.startup "/livez" "metrics-dp") | nindent 4 }}
  readinessProbe:
    {{- include "aurora.probe" (list .Values.probes.readiness "/readyz" "metrics-dp") | nindent 4 }}
  livenessProbe:
    {{- include "aurora.probe" (list .Values.probes.liveness "/livez" "metrics-dp") | nindent 4 }}
  resources:
    {{- toYaml .Values.dataPlane.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.containerSecurityContext | nindent 4 }}
  volumeMounts:
    {{- include "aurora.mounts" . | nindent 4 }}
    - {name: data-plane-secrets, mountPath: /etc/aurora/secrets, readOnly: true}
    {{- if .Values.service.tls.existingSecret }}
    - {name: server-tls, mountPath: /etc/aurora/tls/server, readOnly: true}
    {{- end }}
    {{- if and .Values.cluster.enabled .Values.cluster.tls.enabled }}
    - {name: cluster-tls, mountPath: /etc/aurora/tls/cluster, readOnly: true}
    {{- end }}
    {{- with .Values.dataPlane.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* One file of a secret, as a source of a projected volume. */}}
{{- define "aurora.secretFile" -}}
- secret:
    name: {{ default (include "aurora.secretName" .root) .from.existingSecret }}
    items: [{key: {{ ternary .from.existingSecretKey .file (ne .from.existingSecret "") }}, path: {{ .file }}}]
{{- end -}}

{{- define "aurora.volumes" -}}
{{- $encryption := include "aurora.secretFile" (dict "root" . "from" .Values.encryption "file" "encryption-key") -}}
{{- $second := .Values.encryption -}}
{{- if or $second.existingSecretPreviousKey $second.previousKey -}}
{{- $from := dict "existingSecret" $second.existingSecret "existingSecretKey" $second.existingSecretPreviousKey -}}
{{- $encryption = printf "%s\n%s" $encryption (include "aurora.secretFile" (dict "root" . "from" $from "file" "encryption-key-previous")) -}}
{{- end -}}
- name: runtime
  emptyDir: {medium: Memory, sizeLimit: 16Mi}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
- name: data-plane-secrets
  projected:
    defaultMode: 0440
    sources:
      {{- $encryption | nindent 6 }}
- name: control-plane-secrets
  projected:
    defaultMode: 0440
    sources:
      {{- $encryption | nindent 6 }}
      {{- include "aurora.secretFile" (dict "root" . "from" .Values.auth "file" "master-key") | nindent 6 }}
      {{- if and .Values.cluster.enabled .Values.cluster.gossip.encryption }}
      {{- include "aurora.secretFile" (dict "root" . "from" .Values.cluster.gossip "file" "gossip-keys") | nindent 6 }}
      {{- end }}
{{- if include "aurora.providerKeys" . }}
- name: providers
  projected:
    defaultMode: 0440
    sources:
      {{- with keys .Values.providers.apiKeys | sortAlpha }}
      - secret:
          name: {{ include "aurora.secretName" $ }}
          items:
            {{- range . }}
            - {key: {{ . }}, path: {{ . }}}
            {{- end }}
      {{- end }}
      {{- with .Values.providers.existingSecret }}
      - secret:
          name: {{ . }}
          items:
            {{- range $.Values.providers.existingSecretKeys }}
            - {key: {{ . }}, path: {{ . }}}
            {{- end }}
      {{- end }}
{{- end }}
{{- if .Values.cluster.tls.enabled }}
- name: cluster-tls
  secret: {secretName: {{ include "aurora.tlsSecretName" . }}, defaultMode: 0440}
{{- end }}
{{- with .Values.service.tls.existingSecret }}
- name: server-tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- if .Values.config }}
- name: config
  configMap: {name: {{ include "aurora.fullname" . }}-config}
{{- end }}
{{- if not .Values.persistence.enabled }}
- name: state
  emptyDir: {sizeLimit: {{ .Values.persistence.size }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
