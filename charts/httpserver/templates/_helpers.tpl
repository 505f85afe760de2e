{{/* The name of all objects: the release's, with the chart's name if the release's does not say it. */}}
{{- define "httpserver.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* What selectors name: they cannot be changed, so nothing that changes. */}}
{{- define "httpserver.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of everything, pods among them: nothing that changes with the chart alone, which would roll the pods. */}}
{{- define "httpserver.labels" -}}
{{ include "httpserver.selector" . }}
app.kubernetes.io/version: {{ .Values.variables.version | quote }}
app.kubernetes.io/component: server
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata of an object. Arguments: `root`; optionally a `suffix` of the name, and `labels` and `annotations` of this object. */}}
{{- define "httpserver.metadata" -}}
name: {{ include "httpserver.fullname" .root }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "httpserver.labels" .root | nindent 2 }}
  helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The content of the ConfigMap. */}}
{{- define "httpserver.variables" -}}
{{- range $name, $value := .Values.variables -}}
SPIN_VARIABLE_{{ upper $name }}: {{ $value | quote }}
{{ end -}}
{{- end }}

{{/* The name of the ConfigMap has a hash of its content: a changed value rolls the pods. */}}
{{- define "httpserver.configMapSuffix" -}}
-{{ include "httpserver.variables" . | sha256sum | trunc 10 }}
{{- end }}

{{- define "httpserver.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}
