"""Runs by the clock without Kubeflow: systemd, cron, Kubernetes' CronJob and Argo."""
