//! The schema of a table without the promise that its texts are UTF-8.

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataBuilder};
use parquet::schema::types::{SchemaDescriptor, Type};
use std::sync::Arc;

/// The same file with its texts as plain bytes. A reader that checks texts gives up a whole batch
/// for one bad value; bytes can be checked row by row.
pub(super) fn without_text(metadata: &ParquetMetaData) -> Result<ParquetMetaData, ParquetError> {
    let file = metadata.file_metadata();
    let root = bytes(file.schema_descr().root_schema())?;
    let plain = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        None,
        Arc::new(SchemaDescriptor::new(Arc::new(root))),
        None,
    );
    let groups = metadata.row_groups().to_vec();
    Ok(ParquetMetaDataBuilder::new(plain).set_row_groups(groups).build())
}

fn bytes(field: &Type) -> Result<Type, ParquetError> {
    let info = field.get_basic_info();
    if field.is_primitive() {
        if !is_text(field) {
            return Ok(field.clone());
        }
        return Type::primitive_type_builder(info.name(), Physical::BYTE_ARRAY)
            .with_repetition(info.repetition())
            .build();
    }
    let fields = field.get_fields().iter().map(|field| Ok(Arc::new(bytes(field)?)));
    let group = Type::group_type_builder(info.name())
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_fields(fields.collect::<Result<_, ParquetError>>()?);
    if info.has_repetition() { group.with_repetition(info.repetition()) } else { group }.build()
}

fn is_text(field: &Type) -> bool {
    let info = field.get_basic_info();
    let converted = info.converted_type();
    field.get_physical_type() == Physical::BYTE_ARRAY
        && (matches!(converted, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON)
            || matches!(
                info.logical_type_ref(),
                Some(LogicalType::String | LogicalType::Enum | LogicalType::Json)
            ))
}
