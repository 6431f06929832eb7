{{/* What the schema cannot say: rules over several values. Each failure names the values and what to do. */}}
{{- define "aurora.validate" -}}
{{- $v := .Values -}}
{{- if not (regexMatch "^[a-z]" (include "aurora.fullname" .)) -}}
{{- fail (printf "the name %s does not begin with a letter, as the name of a Service must: set fullnameOverride" (include "aurora.fullname" .)) -}}
{{- end -}}
{{- if and (not $v.cluster.enabled) (gt (int $v.replicaCount) 1) -}}
{{- fail (printf "replicaCount is %d but cluster.enabled is false: nodes would not share policy. Set cluster.enabled=true or replicaCount=1" (int $v.replicaCount)) -}}
{{- end -}}
{{- if and $v.cluster.enabled (eq $v.cluster.failoverMode "active_passive") (not $v.persistence.enabled) -}}
{{- fail "cluster.failoverMode=active_passive needs persistence.enabled=true: a node that forgets its votes at every start comes back as another one, and a cluster that restarts whole has no majority" -}}
{{- end -}}
{{- if $v.autoscaling.enabled -}}
{{- if not $v.cluster.enabled -}}
{{- fail "autoscaling.enabled needs cluster.enabled=true: nodes would not share policy" -}}
{{- end -}}
{{- if lt (int $v.autoscaling.maxReplicas) (int $v.autoscaling.minReplicas) -}}
{{- fail (printf "autoscaling.maxReplicas is %d, below autoscaling.minReplicas %d" (int $v.autoscaling.maxReplicas) (int $v.autoscaling.minReplicas)) -}}
{{- end -}}
{{- range $name, $own := dict "dataPlane" $v.dataPlane.resources "controlPlane" $v.controlPlane.resources -}}
{{- if not (dig "requests" "cpu" "" $own) -}}
{{- fail (printf "autoscaling.enabled needs %s.resources.requests.cpu: utilization is a share of what every container of the pod asks for" $name) -}}
{{- end -}}
{{- end -}}
{{- $voters := min 3 (int $v.replicaCount) -}}
{{- if and (eq $v.cluster.failoverMode "active_passive") (lt (int $v.autoscaling.minReplicas) (int $voters)) -}}
{{- fail (printf "autoscaling.minReplicas is %d: with active_passive want at least %d, those vote" (int $v.autoscaling.minReplicas) (int $voters)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.host) -}}
{{- fail "ingress.enabled needs ingress.host" -}}
{{- end -}}
{{- if and (eq $v.controlPlane.mode "native") (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "controlPlane.mode=native needs Kubernetes 1.29, this is %s: set controlPlane.mode=container" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and $v.adminService.enabled (not $v.cluster.tls.enabled) -}}
{{- fail "adminService.enabled needs cluster.tls.enabled: the admin token would travel in clear. Turn TLS on or the service off" -}}
{{- end -}}
{{- if $v.cluster.tls.enabled -}}
{{- if and (eq $v.cluster.tls.mode "existingSecret") (not $v.cluster.tls.existingSecret) -}}
{{- fail "cluster.tls.mode=existingSecret needs cluster.tls.existingSecret" -}}
{{- end -}}
{{- if and (ne $v.cluster.tls.mode "existingSecret") $v.cluster.tls.existingSecret -}}
{{- fail (printf "cluster.tls.existingSecret is set but cluster.tls.mode is %s: set cluster.tls.mode=existingSecret" $v.cluster.tls.mode) -}}
{{- end -}}
{{- if and (eq $v.cluster.tls.mode "certManager") (not $v.cluster.tls.issuerRef.name) -}}
{{- fail "cluster.tls.mode=certManager needs cluster.tls.issuerRef.name" -}}
{{- end -}}
{{- end -}}
{{- $needed := add (int $v.dataPlane.drain.graceSeconds) (int $v.dataPlane.drain.timeoutSeconds) 30 -}}
{{- if lt (int $v.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d: want at least %d (dataPlane.drain.graceSeconds + dataPlane.drain.timeoutSeconds + 30 for the control plane)" (int $v.terminationGracePeriodSeconds) (int $needed)) -}}
{{- end -}}
{{- range list (list "auth" $v.auth.masterKey $v.auth.existingSecret "auth.masterKey")
               (list "encryption" $v.encryption.key $v.encryption.existingSecret "encryption.key")
               (list "cluster.gossip" $v.cluster.gossip.keys $v.cluster.gossip.existingSecret "cluster.gossip.keys") -}}
{{- if and (index . 1) (index . 2) -}}
{{- fail (printf "%s and %s.existingSecret are both set: want one of them" (index . 3) (index . 0)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.providers.existingSecret (not $v.providers.existingSecretKeys) -}}
{{- fail "providers.existingSecret is set without providers.existingSecretKeys: name the keys to use, e.g. [OPENAI_API_KEY]" -}}
{{- end -}}
{{- if and $v.providers.existingSecretKeys (not $v.providers.existingSecret) -}}
{{- fail "providers.existingSecretKeys is set without providers.existingSecret" -}}
{{- end -}}
{{- range $v.providers.existingSecretKeys -}}
{{- if hasKey $v.providers.apiKeys . -}}
{{- fail (printf "%s is in providers.apiKeys and in providers.existingSecretKeys: want one of them" .) -}}
{{- end -}}
{{- end -}}
{{- if and $v.encryption.existingSecret $v.encryption.previousKey -}}
{{- fail "encryption.previousKey is set beside encryption.existingSecret: put it into that secret and name its entry in encryption.existingSecretPreviousKey" -}}
{{- end -}}
{{- if and $v.encryption.existingSecretPreviousKey (not $v.encryption.existingSecret) -}}
{{- fail "encryption.existingSecretPreviousKey is set without encryption.existingSecret: want encryption.previousKey" -}}
{{- end -}}
{{- range concat $v.extraEnv $v.dataPlane.extraEnv $v.controlPlane.extraEnv -}}
{{- if or (has .name (list "AURORA_MASTER_KEY" "AURORA_ENCRYPTION_KEY" "AURORA_ENCRYPTION_KEY_PREVIOUS" "CLUSTER_GOSSIP_KEYS")) (hasSuffix "_API_KEY" .name) -}}
{{- fail (printf "extraEnv: %s is a secret: use auth, encryption, cluster.gossip or providers" .name) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "(?m)^([^#\\n]*[\\s{,.\"'])?(api_key|master_key|encryption_key|encryption_key_previous|gossip_keys)[\"']?\\s*=" $v.config -}}
{{- fail "config: it becomes a ConfigMap, which is no place for secrets: use auth, encryption, cluster.gossip or providers" -}}
{{- end -}}
{{- if and $v.cluster.zone $v.cluster.zoneFromPodLabel -}}
{{- fail "cluster.zone and cluster.zoneFromPodLabel are both set: want one of them" -}}
{{- end -}}
{{- end -}}
