//! A worker: prints the port it listens at, and a line for each part of a query it runs.

use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion_distributed::{Worker, WorkerQueryContext};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

async fn session(query: WorkerQueryContext) -> Result<SessionState, DataFusionError> {
    let stages = distributed::stages();
    let stages = stages.map_err(|error| DataFusionError::External(error.into()))?;
    let mut state = query.builder.build();
    stages.register(&mut state)?;
    println!("task");
    Ok(state)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Server::builder()
        .add_service(Worker::from_session_builder(session).into_worker_server())
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await?;
    Ok(())
}
