{{/* What is wrong with the values, as far as the schema cannot say it, or not in words. */}}
{{- define "httpserver.check" -}}
{{- if eq .Values.image.tag "latest" }}
{{- fail "invalid image.tag \"latest\": expected a tag whose image stays the same, such as v1" }}
{{- end }}
{{- range $value := list "labels" "podLabels" }}
{{- range $name, $_ := index $.Values $value }}
{{- if or (hasPrefix "app.kubernetes.io/" $name) (hasPrefix "helm.sh/" $name) }}
{{- fail (printf "invalid name %q in %s: expected one that the chart does not set, such as example.com/team" $name $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "invalid autoscaling.minReplicas %v: expected at most autoscaling.maxReplicas, which is %v" .minReplicas .maxReplicas) }}
{{- end }}
{{- end }}
{{- if and .Values.podMonitor.enabled (not .Values.metrics.enabled) }}
{{- fail "invalid podMonitor.enabled true: expected metrics.enabled true, too, which opens the port that it names" }}
{{- end }}
{{- end }}
