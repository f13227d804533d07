"""A run of a deployment that has a limit of its own, for which the Prefect server grants a lease by itself.

Usage: deployment.py
Prints what comes of each renewal: one while the run is pending, one after it has ended.
"""

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Completed, Pending


@flow
def limited() -> None:
    pass


def renew(client, lease_id) -> None:
    try:
        print("renewed", client.renew_concurrency_lease(lease_id, 300).status_code)
    except PrefectHTTPStatusError as error:
        print("refused", error.response.status_code)


if __name__ == "__main__":
    client = get_client(sync_client=True)
    deployment_id = limited.to_deployment(name="limited", concurrency_limit=1).apply()
    run = client.create_flow_run_from_deployment(deployment_id)
    pending = client.set_flow_run_state(run.id, Pending())
    lease_id = pending.state.state_details.deployment_concurrency_lease_id
    renew(client, lease_id)
    client.set_flow_run_state(run.id, Completed(), force=True)
    renew(client, lease_id)
