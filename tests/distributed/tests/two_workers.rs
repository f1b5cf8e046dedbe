//! On two workers, each a process of its own, over the loopback interface.

use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_distributed::{
    DistributedExt, SessionStateBuilderExt, WorkerResolver, display_plan_ascii,
};
use distributed::{ids, pipeline, query, stages, write};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use url::Url;

struct Worker {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: Url,
}

impl Worker {
    fn start() -> Self {
        let mut process =
            Command::new(env!("CARGO_BIN_EXE_worker")).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap();
        let url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        Self { process, lines, url }
    }

    /// Ends it, and tells how many parts of queries it ran.
    fn stop(mut self) -> usize {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.lines.map_while(Result::ok).filter(|line| line == "task").count()
    }
}

struct Workers(Vec<Url>);

impl WorkerResolver for Workers {
    fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn two_workers_keep_what_one_process_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path()).unwrap();
    let workers = [Worker::start(), Worker::start()];
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(SessionConfig::new().with_target_partitions(2))
        .with_distributed_worker_resolver(Workers(workers.iter().map(|w| w.url.clone()).collect()))
        .with_distributed_planner()
        // As little as possible, so that a small corpus is spread.
        .with_distributed_file_scan_config_bytes_per_partition(1)
        .unwrap()
        .build();
    let mut context = SessionContext::from(state);
    stages().unwrap().register(&mut context).unwrap();
    let frame = query(&context, folder.path()).await.unwrap();
    let plan = frame.clone().create_physical_plan().await.unwrap();
    println!("{}", display_plan_ascii(plan.as_ref(), false));
    let kept = ids(frame).await.unwrap();
    let tasks = workers.map(Worker::stop);
    println!("{} documents stay; the workers ran {tasks:?} parts", kept.len());
    assert!(tasks.iter().all(|tasks| *tasks > 0), "{tasks:?}");
    assert_eq!(kept, pipeline(&files).unwrap());
}
