//! In one process.

use datafusion::prelude::SessionContext;
use distributed::{DOCUMENTS, ids, pipeline, query, stages, write};

#[tokio::test]
async fn a_query_keeps_what_the_pipeline_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path()).unwrap();
    let mut context = SessionContext::new();
    stages().unwrap().register(&mut context).unwrap();
    let kept = ids(query(&context, folder.path()).await.unwrap()).await.unwrap();
    assert_eq!(kept, pipeline(&files).unwrap());
    let planted = DOCUMENTS / 2;
    // A band in a hundred or so misses one of the changed copies.
    assert!((planted..planted + 20).contains(&(kept.len() as u64)), "{}", kept.len());
}

#[tokio::test]
async fn functions_in_sql() {
    let mut context = SessionContext::new();
    stages().unwrap().register(&mut context).unwrap();
    let text = async |sql: &str| {
        let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
        let shown = datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap();
        shown.to_string().lines().nth(3).unwrap().trim_matches(['|', ' ']).to_owned()
    };
    assert_eq!(text("SELECT refire_normalise('It costs $1,200!')").await, "it costs 1200");
    assert_eq!(text("SELECT refire_hash('a  b') = refire_hash('A b.')").await, "true");
    assert_eq!(text("SELECT refire_hash('a b') = refire_hash('b a')").await, "false");
    assert_eq!(text("SELECT refire_hash(NULL) IS NULL").await, "true");
    assert_eq!(
        text("SELECT count(b) FROM (SELECT unnest(refire_bands('a b c')) AS b)").await,
        "14"
    );
    let alike = "SELECT refire_similarity('a b c d e f', 'a b c d e g')";
    assert_eq!(text(alike).await, "0.3333333333333333");
    let renumbered = "SELECT refire_renumbered('3 of 12', '4 of 12')";
    assert_eq!(text(renumbered).await, "true");
    let again = "wait again ".repeat(60);
    let looping = format!("SELECT refire_quality('How many?', '{again}', NULL)");
    assert_eq!(text(&looping).await, "loop");
    let unclosed = "SELECT refire_quality('How many?', '<think> hm', '5')";
    assert_eq!(text(unclosed).await, "structure");
    let leak = "SELECT get_field(o, 'item') FROM (SELECT refire_overlap('So: a robe takes 2 bolts of blue \
                fiber and half that much white fiber') AS o)";
    assert_eq!(text(leak).await, "q1");
    // 2 goes, being alike to 1; 3 is alike to 2 alone, and stays.
    let pairs = "SELECT refire_duplicates(a, b) FROM (VALUES (1, 2), (2, 3), (4, 5)) AS p(a, b)";
    assert_eq!(text(pairs).await, "[2, 5]");
}

#[tokio::test]
async fn rows_without_text_stay() {
    let stages = stages().unwrap();
    let rows =
        "SELECT * FROM (VALUES (-1, 'a b c'), (2, NULL), (3, NULL), (4, 'A b c.')) AS t(id, text)";
    let frame = SessionContext::new().sql(rows).await.unwrap();
    let exact = stages.exact_dedup(frame.clone(), "id", "text").unwrap();
    let near = stages.near_dedup(frame, "id", "text").unwrap();
    for kept in [exact, near] {
        let kept = kept.collect().await.unwrap();
        assert_eq!(kept.iter().map(|batch| batch.num_rows()).sum::<usize>(), 3);
    }
}

#[tokio::test]
async fn rows_without_id_stay() {
    let stages = stages().unwrap();
    let rows = "SELECT * FROM (VALUES (NULL, 'a b c'), (2, 'a b c'), (NULL, 'a b c'), (4, 'A b c.'), \
                (NULL, NULL)) AS t(id, text)";
    let frame = SessionContext::new().sql(rows).await.unwrap();
    let exact = stages.exact_dedup(frame.clone(), "id", "text").unwrap();
    let near = stages.near_dedup(frame, "id", "text").unwrap();
    for kept in [exact, near] {
        let kept = kept.collect().await.unwrap();
        let ids: usize =
            kept.iter().map(|batch| batch.num_rows() - batch.column(0).null_count()).sum();
        assert_eq!(kept.iter().map(|batch| batch.num_rows()).sum::<usize>(), 4);
        assert_eq!(ids, 1, "of two equal texts with an id one stays");
    }
}
