{{- define "aurora.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters: a pod adds its number, a service its role, and 63 is the limit of a label. */}}
{{- define "aurora.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "aurora.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects: never changes over the life of a release. */}}
{{- define "aurora.selectorLabels" -}}
app.kubernetes.io/name: {{ include "aurora.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of pods: without the chart's version, which alone is no reason to roll them. */}}
{{- define "aurora.podLabels" -}}
{{ include "aurora.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "aurora.labels" -}}
{{ include "aurora.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "aurora.image" -}}
{{- $name := .Values.image.repository -}}
{{- with .Values.image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "aurora.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "aurora.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "aurora.headless" -}}{{ include "aurora.fullname" . }}-headless{{- end -}}
{{- define "aurora.secretName" -}}{{ include "aurora.fullname" . }}-secrets{{- end -}}
{{- define "aurora.tlsSecretName" -}}
{{- if eq .Values.cluster.tls.mode "existingSecret" -}}
{{- .Values.cluster.tls.existingSecret -}}
{{- else -}}
{{- include "aurora.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{/* host:port of a listener; brackets around IPv6. Call with (dict "root" $ "port" 8080). */}}
{{- define "aurora.listen" -}}
{{- $a := .root.Values.listenAddress -}}
{{- ternary (printf "[%s]:%d" $a (int .port)) (printf "%s:%d" $a (int .port)) (contains ":" $a) -}}
{{- end -}}

{{/* Pod 0 first: with one founder the node whose address is the first seed founds. Then everyone, by the headless name. */}}
{{- define "aurora.seeds" -}}
{{- $headless := printf "%s.%s.svc" (include "aurora.headless" .) .Release.Namespace -}}
{{- $own := list (printf "%s-0.%s:7946" (include "aurora.fullname" .) $headless) (printf "%s:7946" $headless) -}}
{{- concat $own .Values.cluster.seedNodes | join "," -}}
{{- end -}}

{{- define "aurora.bootstrapExpect" -}}
{{- if not (kindIs "invalid" .Values.cluster.bootstrapExpect) -}}
{{- int .Values.cluster.bootstrapExpect -}}
{{- else if le (int .Values.replicaCount) 1 -}}
0
{{- else -}}
{{- min 3 (int .Values.replicaCount) -}}
{{- end -}}
{{- end -}}

{{/* Names of the provider variables whose values are files. */}}
{{- define "aurora.providerKeys" -}}
{{- concat (keys .Values.providers.apiKeys) .Values.providers.existingSecretKeys | sortAlpha | uniq | join "," -}}
{{- end -}}

{{/* The names a certificate of this release carries. */}}
{{- define "aurora.dnsNames" -}}
{{- $full := include "aurora.fullname" . -}}
{{- $ns := .Release.Namespace -}}
{{- $headless := include "aurora.headless" . -}}
{{- list (printf "%s-admin" $full) (printf "%s-admin.%s" $full $ns) (printf "%s-admin.%s.svc" $full $ns)
      (printf "%s-admin.%s.svc.cluster.local" $full $ns) (printf "*.%s.%s.svc" $headless $ns)
      (printf "*.%s.%s.svc.cluster.local" $headless $ns) "localhost" | join "," -}}
{{- end -}}
